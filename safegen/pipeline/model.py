"""An opened model: a package whose digests, manifest and certificate all agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safegen import package
from safegen.errors import DataError, KeyMaterialError, TamperedError
from safegen.models.generator import PictureGenerator
from safegen.pipeline.generate import Safeguards, generate
from safegen.policy.load import load_policy
from safegen.privacy.recompute import agrees
from safegen.progress import Progress, silent
from safegen.provenance.claims import PACKAGE
from safegen.provenance.ledger import Ledger
from safegen.provenance.manifest import read as read_manifest
from safegen.provenance.signer import open_signer, read_anchors
from safegen.provenance.trust import trust_in
from safegen.records.names import MODEL_MANIFEST

if TYPE_CHECKING:
    from safegen.pipeline.release import Release
    from safegen.records.certificate import PrivacyCertificate
    from safegen.records.config import PackageConfig


class Model:
    """A certified generator. What it makes leaves only through `generate`."""

    def __init__(self, opened: package.Package, safeguards: Safeguards) -> None:
        self._package = opened
        self._safeguards = safeguards
        self._generator = open_generator(opened)

    def __repr__(self) -> str:
        return (
            f"<Model {self.config.name} {self.digest[:19]}, epsilon {self.certificate.epsilon:.4f}>"
        )

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
    def folder(self) -> Path:
        """Where the package lies."""
        return self._package.folder

    def generate(
        self,
        count: int,
        *,
        purpose: str,
        label: int | str | None = None,
        seed: int | None = None,
        progress: Progress = silent,
    ) -> Release:
        """Make outputs that are allowed, explained, signed and logged.

        Args:
            count: how many.
            purpose: what they are for; policies may ask for it, and it is signed.
            label: a class's number or name; all classes in turn when None.
            seed: of the latent codes; drawn and recorded when None.
            progress: told how far the work is.

        Returns:
            The release; `release.save(folder)` writes its files.

        Raises:
            RequestError: a count, label or seed that this model does not know.
            Refused: the policy says no; the error carries the whole Decision.
        """
        return generate(
            self._package,
            self._generator,
            self._safeguards,
            count=count,
            purpose=purpose,
            label=label,
            seed=seed,
            progress=progress,
        )


def open_generator(opened: package.Package) -> PictureGenerator:
    """The generator in a package.

    Raises:
        DataError: its weights are not those of the architecture that it states.
    """
    generator = PictureGenerator(opened.config.architecture).eval()
    try:
        generator.load_state_dict(dict(opened.weights))
    except RuntimeError as error:
        raise DataError(f"{opened.folder} holds the weights of another network") from error
    if generator.classes != len(opened.config.data.classes):
        raise DataError(
            f"{opened.folder} names {len(opened.config.data.classes)} classes, not "
            f"{generator.classes}"
        )
    return generator


def load(
    folder: str | Path,
    *,
    keys: str | Path = "keys",
    ledger: str | Path = "ledger.db",
    policy: str | Path = "baseline",
    trust: str | Path | None = None,
) -> Model:
    """Open a model package.

    Args:
        folder: the package.
        keys: who signs what it makes.
        ledger: where that is logged.
        policy: what it must meet; a shipped policy's name or a YAML file.
        trust: PEM certificates of who may have signed the package; by default the root beside
            `keys`. A package of anybody else is refused, because its claims would be signed on.

    Raises:
        DataError: the folder is not a package.
        TamperedError: a file is not what was signed.
        KeyMaterialError: nothing can be signed with these keys.
        PolicyError: the policy cannot be loaded.
    """
    opened, signer = package.read(Path(folder)), open_signer(keys)
    require_signed(opened, signer.anchor if trust is None else read_anchors(Path(trust)))
    safeguards = Safeguards(
        signer=signer,
        ledger=Ledger(ledger),
        policy=load_policy(policy),
        certified=agrees(opened.certificate),
    )
    return Model(opened, safeguards)


def require_signed(opened: package.Package, anchors: bytes | None) -> None:
    """The package's manifest must be trusted and speak of exactly these files.

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
        package.WEIGHTS_MIME,
        trust=trust_in(anchors),
        beside=opened.manifest,
    )
    signed = manifest.assertions.get(PACKAGE)
    if manifest.state == "Invalid" or signed != opened.content.digests.model_dump(mode="json"):
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
