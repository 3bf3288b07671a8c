"""A released file to an account of it: what made it, and whether that can be made again.

The receipt beside a file holds the explanation's record, and a file in `explanations/` its numbers;
the signed manifest holds the digests of both. With the model package at hand, the sample itself is
drawn again from its signed seed and label, and explained again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from safegen import storage
from safegen.arguments import checked
from safegen.errors import InputError, TamperedError
from safegen.modality.base import labelling_of
from safegen.modality.registry import modality_of_file
from safegen.package.presence import require_package
from safegen.pipeline.generate.request import MAX_OUTPUTS
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest_choice import choose
from safegen.provenance.media.formats import mime_of
from safegen.schemas.canonical import digest
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.explanation import Explanation
from safegen.schemas.label import VisibleLabel
from safegen.schemas.names import EXPLANATIONS, receipt_beside
from safegen.schemas.receipt import GenerationRequest, read_receipt
from safegen.schemas.watermark import WatermarkRecord
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.schemas.explanation import AnyExplanation, FirstExplanation

FEW = 64  # outputs of 0.1 that are explained together again, for the last digits' sake
ROUNDING = 2e-5  # by which numbers may differ on another machine
STEPS = 1 + 1e-6  # of what is stored, by which a sample that is made again may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is known of how a released file came to be.

    Attributes:
        request: what was asked, as signed.
        explanation: its record, with the digest that was signed.
        attributions: its numbers, (regions, latents + 1), float32, the label last, with the digest
            that was signed; None where their file is not beside it.
        stored: the file's values, (*dimensions), as its kind of data stores them.
        modality: its kind of data, in the file's format.
        label: what it shows that says a machine made it; None without one.
        watermark: the mark that its pixels carry, as signed; None where they carry none.
    """

    request: GenerationRequest
    explanation: AnyExplanation
    attributions: NDArray[np.float32] | None
    stored: NDArray[Any]
    modality: Modality
    label: VisibleLabel | None = None
    watermark: WatermarkRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAgain:
    """What a package makes of a signed seed and label.

    Attributes:
        same_sample: whether it is the sample in the file, up to one step of what is stored.
        same_digest: whether its explanation has the very digest that was signed.
        farthest: how far its numbers are from the signed ones at most; None where those are not
            at hand, or are not of the same shape.
        attributions: its explanation's numbers, (regions, latents + 1), float32.
    """

    same_sample: bool
    same_digest: bool
    farthest: float | None
    attributions: NDArray[np.float32]

    @property
    def agrees(self) -> bool:
        """Whether sample and explanation are the same, up to rounding on another machine."""
        close = self.farthest is not None and self.farthest <= ROUNDING
        return self.same_sample and (self.same_digest or close)


@checked
def read_explained(path: Path) -> Explained:
    """Read a released file, and the explanation in the receipt beside it.

    Raises:
        InputError: the file was not released by safegen, or has no receipt beside it.
        TamperedError: the file is not what was signed, or what lies beside it explains another one.
        UnreadableManifestError: it carries no manifest that can be read.
        DataError: reading it does harm, which was tried in a process of its own.
    """
    require_harmless(path)
    data = storage.read(path)
    mime = mime_of(path, data)
    manifest = choose(path, data, mime, None).manifest
    if manifest.state == "Invalid":
        raise TamperedError(f"{path} is not what was signed; `safegen verify {path}` says why")
    beside = receipt_beside(path)
    summaries = manifest.said(claims.EXPLANATION)
    if not summaries:
        raise InputError(f"{path} carries no explanation; only outputs that safegen released do")
    if not os.path.isfile(beside):  # noqa: PTH113 - never raises, whatever the name
        raise InputError(f"no {beside.name} beside {path}; its receipt holds the explanation")
    try:
        receipt = read_receipt(storage.read(beside))
        request = GenerationRequest.model_validate(manifest.assertions.get(claims.REQUEST))
        marks = [WatermarkRecord.model_validate(each) for each in manifest.said(claims.WATERMARK)]
    except ValidationError as error:
        raise TamperedError(f"{beside} cannot be read as a receipt; use an intact copy") from error
    if any(digest(receipt.explanation) != each.get("digest") for each in summaries):
        raise TamperedError(f"{beside} explains another file than {path.name}")
    modality = _modality(path, manifest, mime)
    return Explained(
        request=request,
        explanation=receipt.explanation,
        attributions=_numbers(receipt.explanation, path.parent / EXPLANATIONS),
        stored=modality.decode(data),
        modality=modality,
        label=_label(path, manifest),
        watermark=marks[0] if marks else None,
    )


def _label(path: Path, manifest: Manifest) -> VisibleLabel | None:
    """The visible label that was drawn into a file, as its manifest says."""
    said = manifest.assertions.get(claims.LABEL)
    if said is None:
        return None
    try:
        return VisibleLabel.model_validate(said)
    except ValidationError as error:
        raise TamperedError(f"{path} does not say what label it shows") from error


def _modality(path: Path, manifest: Manifest, mime: str) -> Modality:
    """What kind of data a file is of, as the certificate in its manifest says."""
    try:
        stated = PrivacyCertificate.model_validate(manifest.assertions.get(claims.PRIVACY))
    except ValidationError as error:
        raise TamperedError(f"{path} does not say what kind of data it is of") from error
    return modality_of_file(stated.data.shape, mime)


@checked
def made_again(explained: Explained, folder: Path) -> MadeAgain:
    """Make a sample and its explanation again, from the signed seed and label.

    Values may differ by one step of what is stored: other machines round float32 sums otherwise.
    Where a judge was undecided, another machine may keep another sample, and this says that it is
    another.

    Raises:
        DataError: the folder is not a package.
        TamperedError: the package was changed.
        InputError: the package knows no such label, or its method of explanation is not known here.
    """
    require_package(folder)
    import torch

    from safegen.package import files
    from safegen.pipeline.generate.model import open_generator

    opened = files.read(folder)
    request = explained.request
    if request.label >= opened.config.architecture.classes:
        raise InputError(f"{folder} has no label {request.label}; name the package that made it")
    if not request.index < request.count <= MAX_OUTPUTS:  # a stranger's may ask for all the memory
        raise InputError(f"no {request.count} outputs are made at once; its request is made up")
    generator = open_generator(opened)
    draw = generator.draw(torch.full((request.count,), request.label), request.seed)
    own = draw.rows(slice(request.index, request.index + 1))
    sample = torch.cat(list(generator.rendered(own)))[0].detach().numpy()
    attributions, same_digest = _explained_again(explained, generator, draw, own)
    if explained.label is not None:
        sample = labelling_of(explained.modality).with_label_again(sample, explained.label)
    return MadeAgain(
        same_sample=_same(_stored_again(sample, explained), explained),
        same_digest=same_digest,
        farthest=_apart(attributions, explained.attributions),
        attributions=attributions,
    )


def _stored_again(sample: NDArray[Any], explained: Explained) -> NDArray[Any]:
    """What a sample's file stores, with the mark that was written into it."""
    modality, stored = explained.modality, explained.modality.to_stored(sample)
    if explained.watermark is not None:
        from safegen.pipeline.generate.marking import marked_again

        stored = marked_again(stored, explained.watermark)
    return modality.decode(modality.encode(modality.to_float(stored)))


def _numbers(explanation: AnyExplanation, folder: Path) -> NDArray[np.float32] | None:
    from safegen.explain.arrays import row_of
    from safegen.explain.summary import attributions_of

    if not isinstance(explanation, Explanation):
        return attributions_of(explanation)
    name = explanation.arrays.file
    if Path(name).name != name:
        raise TamperedError(f"an explanation's numbers cannot lie at {name!r}")
    beside = folder / name
    return row_of(storage.read(beside), explanation.arrays) if beside.is_file() else None


def _explained_again(
    explained: Explained, generator: Generator, draw: LatentDraw, own: LatentDraw
) -> tuple[NDArray[np.float32], bool]:
    """The explanation's numbers, and whether they have the digest that was signed."""
    signed = explained.explanation
    if not isinstance(signed, Explanation):
        return _as_first(signed, explained, generator, (own, draw))
    from safegen.explain.explain import explain
    from safegen.explain.registry import explainer_named

    (again,) = explain(
        generator,
        own,
        explained.modality,
        explainer=explainer_named(signed.explainer),
        detail=signed.detail,
        file=signed.arrays.file,
    )
    return again.attributions, again.record.arrays.digest == signed.arrays.digest


def _as_first(
    signed: FirstExplanation,
    explained: Explained,
    generator: Generator,
    draws: tuple[LatentDraw, LatentDraw],
) -> tuple[NDArray[np.float32], bool]:
    """As 0.1 explained: all outputs of a request together, which decides the last digits."""
    from safegen.explain.first_version import explain_first
    from safegen.explain.summary import attributions_of

    own, whole = draws
    (again,) = explain_first(generator, own, explained.modality)
    if digest(again) != digest(signed) and len(whole) <= FEW:
        again = explain_first(generator, whole, explained.modality)[explained.request.index]
    return attributions_of(again), digest(again) == digest(signed)


def _apart(one: NDArray[np.float32], other: NDArray[np.float32] | None) -> float | None:
    if other is None or one.shape != other.shape:
        return None
    return float(np.abs(one - other).max())


def _same(again: NDArray[Any], explained: Explained) -> bool:
    modality = explained.modality
    if again.shape != explained.stored.shape:
        return False
    seen, made = (modality.to_float(each.astype(np.float64)) for each in (explained.stored, again))
    return float(np.abs(seen - made).max()) <= STEPS * modality.step
