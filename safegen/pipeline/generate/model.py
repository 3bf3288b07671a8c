"""An opened model: a package whose digests, manifest and certificate all agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from safegen.arguments import checked
from safegen.config.old_names import old_names
from safegen.config.workspace import Workspace
from safegen.errors import DataError, KeyMaterialError, RequestError, TamperedError
from safegen.modality.registry import modality_of
from safegen.models.generator import LatentGenerator
from safegen.package import files
from safegen.package.copying import copy
from safegen.pipeline.generate.admission import usage_of
from safegen.pipeline.generate.generate import Asked, ReleaseContext, generate
from safegen.pipeline.generate.in_force import require_in_force, require_model, require_policy
from safegen.pipeline.generate.measured import screen_facts
from safegen.pipeline.generate.naming import DEFAULT_NAME_PATTERN
from safegen.pipeline.generate.outputs import Release
from safegen.pipeline.generate.resuming import Begun, find_begun
from safegen.pipeline.generate.shown import html_of_model
from safegen.pipeline.generate.unsafe import log_unsafe, unsafe_sample
from safegen.policy.deployment import load_deployment
from safegen.policy.load import load_policies
from safegen.privacy.accounting.recompute import agrees
from safegen.progress import Progress, silent
from safegen.provenance.c2pa.claims import PACKAGE
from safegen.provenance.c2pa.manifest import EXPIRED
from safegen.provenance.c2pa.manifest import read as read_manifest
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.keys.trust import read_anchors, trust_in
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.revocation import read_lists
from safegen.schemas.explanation import Detail
from safegen.schemas.names import MODEL_MANIFEST
from safegen.schemas.receipt import GenerationRequest
from safegen.schemas.watermark import Watermark
from safegen.screens.screen import Screen

if TYPE_CHECKING:
    from safegen.modality.base import Modality
    from safegen.provenance.c2pa.manifest import Manifest, TimeStamp
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.config import PackageConfig


@old_names()
@checked
def load(
    folder: str | Path,
    *,
    workspace: Workspace | None = None,
    policy: str | Path | Iterable[str | Path] = "baseline",
    deployment: str | Path | None = None,
    trust: str | Path | None = None,
    time_trust: str | Path | None = None,
    revoked: str | Path | Iterable[str | Path] = (),
    screens: Iterable[Screen] = (),
) -> Model:
    """Open a model package.

    Args:
        folder: the package.
        workspace: whose keys sign what it makes, which ledger knows of it, and who stamps it.
        policy: what it must meet; a shipped policy's name or a YAML file, or several that must all
            allow.
        deployment: a YAML file that says where and for whom the system runs; rules that ask refuse
            without one.
        trust: PEM certificates of who may have signed the package; by default the root beside
            the keys. A package of anybody else is refused, because its claims would be signed on.
        time_trust: PEM roots of time-stamp authorities to believe: with them, a package that was
            stamped in time outlives its signer's certificate.
        revoked: revocation lists, from `safegen ledger revocations`; what the ledger itself
            takes back is known without them.
        screens: of which the policies' rules may speak, beside those that are registered.

    Raises:
        RevokedError: the model, the key that signed it, or a policy was taken back.
        DataError: the folder is not a package.
        TamperedError: a file is not what was signed, or the measurement of a screen is not.
        KeyMaterialError: nothing can be signed with these keys, or the policy requires
            time-stamps and no authority is named.
        PolicyError: the policy cannot be loaded.
    """
    workspace = workspace or Workspace()
    opened, signer = files.read(Path(folder)), open_signer(workspace.keys)
    loaded = load_policies(policy, screens=screens).require_stages().require_screens()
    where = load_deployment(deployment)
    anchors = signer.anchor if trust is None else read_anchors(Path(trust))
    times = None if time_trust is None else read_anchors(Path(time_trust))
    screened = screen_facts(loaded, anchors)
    manifest, log = require_signed(opened, anchors, times), Ledger(workspace.ledger)
    named = (revoked,) if isinstance(revoked, str | Path) else revoked
    require_policy(loaded, log)
    require_in_force(
        opened,
        manifest,
        log,
        read_lists((Path(each) for each in named), trust_in(anchors)),
        anchors,
    )
    context = ReleaseContext(
        signer=signer,
        ledger=log,
        policy=loaded,
        certified=agrees(opened.certificate),
        stamping=Stamping(workspace.timestamp_url, required=loaded.stamps_required, times=times),
        deployment=where,
        screens=screened,
        usage=usage_of(workspace.ledger, loaded),
    )
    return Model(opened, context, manifest.time_stamp)


class Model:
    """A certified generator. What it makes leaves only through `generate`."""

    open = from_pretrained = staticmethod(load)  # other names that people look for: `Model.open`

    def __init__(
        self, opened: files.Package, context: ReleaseContext, stamp: TimeStamp | None
    ) -> None:
        self._package = opened
        self._context = context
        self._stamp = stamp
        self._modality = modality_of(opened.config.data.shape)
        self._generator = open_generator(opened)

    def __repr__(self) -> str:
        return (
            f"<Model {self.config.name} {self.digest[:19]}, epsilon {self.certificate.epsilon:.4f}>"
        )

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return html_of_model(self.digest, self.config, self.certificate)

    @checked
    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the package, as `from_pretrained` and a model hub's own client take it.

        Args:
            folder: the new one, with `README.md`, `config.json`, the weights as safetensors, and
                what signs and certifies them.

        Returns:
            The folder.

        Raises:
            TamperedError: a file of the package was changed since it was made.
            StorageError: something has that name, or it cannot be written; nothing is left of it.
        """
        copy(self.folder, Path(folder))
        return Path(folder)

    @property
    def certificate(self) -> PrivacyCertificate:
        """The privacy claim, with the events to recompute it from."""
        return self._package.certificate

    @property
    def config(self) -> PackageConfig:
        """What the package says of itself."""
        return self._package.config

    @property
    def digest(self) -> str:
        """The model's name: the digest of its weights, config and certificate."""
        return self._package.digest

    @property
    def modality(self) -> Modality:
        """The kind of data that it makes, in the usual file format."""
        return self._modality

    def in_format(self, format: str | None) -> Modality:  # noqa: A002 - everybody's word
        """The same kind of data in a file format; the usual one when None.

        Raises:
            RequestError: it has no such format.
        """
        return modality_of(self._modality.shape, format)

    @property
    def time_stamp(self) -> TimeStamp | None:
        """When an authority saw the package's signature; None when none did."""
        return self._stamp

    @property
    def folder(self) -> Path:
        """Where the package lies."""
        return self._package.folder

    @checked
    def generate(  # noqa: PLR0913 - the one door through which outputs leave
        self,
        count: int,
        *,
        purpose: str,
        label: int | str | None = None,
        seed: int | None = None,
        format: str | None = None,  # noqa: A002 - the word that everybody uses
        name: str | Callable[[GenerationRequest], str] = DEFAULT_NAME_PATTERN,
        explain: Detail = "summary",
        explainer: str | None = None,
        actor: str = "",
        resume: str | Path | None = None,
        watermark: Watermark | None = None,
        progress: Progress = silent,
    ) -> Release:
        """Make outputs that are allowed, explained and signed; they are logged when they leave.

        Args:
            count: how many.
            purpose: what they are for; policies may ask for it, and it is signed.
            label: a class's number or name; all classes in turn when None.
            seed: of the latent codes; drawn and recorded when None.
            format: of the files, as the kind of data has it (`Model.modality`): of pictures png,
                jpeg, webp, tiff, avif or gif; the first of them when None.
            name: of the files, without their suffix, as it is signed: a template with the fields
                `{id}` (drawn for each release), `{number}`, `{label}`, `{label_name}` and
                `{seed}`, numbers also as `{number:04}`; or what gives each request its name.
            explain: `summary` signs scores, the strongest inputs and the digest of all numbers,
                which lie in one file beside the outputs; `full` draws and signs a picture of each
                explanation, too.
            explainer: the method of explanation, by its name (`safegen.explain.registry`); by
                default `shapley` for summaries, which is quick, else `integrated-gradients`.
            actor: who asks, for policies that want to know; it is signed nowhere.
            resume: a folder into which a large release of the same request was saved in part
                before it was cut off: only what is missing is made, and belongs to that release.
            watermark: how a mark is written into the pixels: `speed`; `quality`, which survives
                more and takes some ten times as long; or `none`. When None, `speed` for pictures
                that have room for a mark, from 28 pixels on; `release.unmarked` tells of others.
            progress: told how far the work is.

        Returns:
            The release; `release.save(folder)` logs it and writes its files.

        Raises:
            RequestError: a count, label, seed or format that this model does not know, a name that
                no file can have, no explainer's name, or a mark where there is no room for one.
            InputError: there is nothing in `resume` to go on with, or it was asked otherwise.
            TimeStampError: the policy requires time-stamps, and the authority gave none.
            Refused: the policy says no; the error carries the whole Decision.
        """
        return generate(
            self._package,
            self._generator,
            self._context,
            Asked(
                count=count,
                purpose=purpose,
                label=label,
                seed=seed,
                name=name,
                detail=_detail(explain),
                explainer=explainer,
                actor=actor,
                begun=None if resume is None else self._begun(Path(resume), count, purpose, seed),
                watermark=watermark,
            ),
            self.in_format(format),
            progress,
        )

    def _begun(self, folder: Path, count: int, purpose: str, seed: int | None) -> Begun:
        return find_begun(folder, self.digest, count=count, purpose=purpose, seed=seed)

    @checked
    def unsafe_sample(
        self, count: int, *, reason: str, label: int | str | None = None, seed: int | None = None
    ) -> NDArray[np.float32]:
        """Samples that no policy allowed, nobody explained and nothing marks; the ledger knows.

        For measurements inside the house. To let something out, use `generate`.

        Args:
            count: how many.
            reason: what for; it is logged.
            label: as in `generate`.
            seed: as in `generate`.

        Returns:
            (count, *dimensions), float32 in [0, 1]: of pictures, channels, height and width.

        Raises:
            RequestError: a count, label, seed or reason that does not do.
            StorageError: it could not be logged, so nothing is returned.

        Warns:
            UnsafeWarning: always.
        """
        return unsafe_sample(
            self._package,
            self._generator,
            self._context.signer,
            self._context.ledger,
            count=count,
            reason=reason,
            label=label,
            seed=seed,
        )

    def log_unsafe(self, data: bytes, *, reason: str) -> None:
        """Tell the ledger of a file with samples that no policy allowed, before it is written.

        Args:
            data: the file.
            reason: what it is for.

        Raises:
            RevokedError: the model was taken back.
            StorageError: it could not be logged, so nothing may be written.
        """
        require_model(self._package, self._context.ledger)
        log_unsafe(
            self._package, self._context.signer, self._context.ledger, data=data, note=reason
        )


def open_generator(opened: files.Package) -> LatentGenerator:
    """The generator in a package.

    Raises:
        DataError: its weights are not those of the architecture that it states.
    """
    generator = LatentGenerator(opened.config.architecture).eval()
    try:
        generator.load_state_dict(dict(opened.weights))
    except RuntimeError as error:
        raise DataError(f"{opened.folder} holds the weights of another network") from error
    if opened.config.architecture.shape != opened.config.data.shape:
        raise DataError(f"{opened.folder} makes other shapes than those of its data")
    if generator.classes != len(opened.config.data.classes):
        raise DataError(
            f"{opened.folder} names {len(opened.config.data.classes)} classes, not "
            f"{generator.classes}"
        )
    return generator


def _detail(explain: str) -> Detail:
    for each in get_args(Detail):
        if each == explain:
            chosen: Detail = each
            return chosen
    raise RequestError(f"explain is {explain!r}; choose {' or '.join(get_args(Detail))}")


def require_signed(
    opened: files.Package, anchors: bytes | None, times: bytes | None = None
) -> Manifest:
    """The package's manifest must be trusted and speak of exactly these files.

    Args:
        opened: the package.
        anchors: PEM roots of who may have signed it.
        times: PEM roots of time-stamp authorities to believe.

    Raises:
        KeyMaterialError: nobody is trusted.
        TamperedError: somebody else signed it, or something else was signed.
    """
    if anchors is None:
        raise KeyMaterialError(
            f"nothing says whose packages to trust: name the roots that may have signed "
            f"{opened.folder} with --trust"
        )
    manifest = read_manifest(
        opened.content.weights,
        files.WEIGHTS_MIME,
        trust=trust_in(anchors, times),
        beside=opened.manifest,
    )
    if EXPIRED in manifest.failures:
        raise TamperedError(
            f"the certificate of {manifest.signer}, who signed {opened.folder}, has expired; name "
            "the authority that time-stamped it with --time-trust, or train anew with valid keys"
        )
    digests = opened.content.digests.model_dump(mode="json")
    signed = manifest.said(PACKAGE)
    if manifest.state == "Invalid" or not signed or any(each != digests for each in signed):
        raise TamperedError(
            f"{opened.folder / MODEL_MANIFEST} does not vouch for the files beside it; use an "
            "intact copy of the package"
        )
    if manifest.state != "Trusted":
        raise TamperedError(
            f"{opened.folder} was signed by {manifest.signer}, whom you do not trust; name the "
            "root of whoever made it with --trust, if you do"
        )
    if opened.config.data != opened.certificate.data:
        raise TamperedError(f"{opened.folder} describes one data set and certifies another")
    return manifest
