"""A released file to an account of it: what made it, and whether that can be made again.

The receipt beside a file holds the whole explanation; the signed manifest holds its digest. With
the model package at hand, the sample itself is drawn again from its signed seed and label.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from safegen import storage
from safegen.arguments import checked
from safegen.errors import InputError, TamperedError
from safegen.modality.registry import modality_of_file
from safegen.package.presence import require_package
from safegen.pipeline.generate.request import MOST
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest_choice import choose
from safegen.provenance.media.formats import mime_of
from safegen.schemas.canonical import digest
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.names import receipt_beside
from safegen.schemas.receipt import GenerationRequest, read_receipt
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.schemas.explanation import AnyExplanation

STEPS = 1 + 1e-6  # of what is stored, by which a sample that is made again may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is known of how a released file came to be.

    Attributes:
        request: what was asked, as signed.
        explanation: the whole of it, with the digest that was signed.
        stored: the file's values, (*dimensions), as its kind of data stores them.
        modality: its kind of data, in the file's format.
    """

    request: GenerationRequest
    explanation: AnyExplanation
    stored: NDArray[Any]
    modality: Modality


@checked
def read_explained(path: Path) -> Explained:
    """Read a released file, and the explanation in the receipt beside it.

    Raises:
        InputError: the file was not released by safegen, or has no receipt beside it.
        TamperedError: the file is not what was signed, or the receipt explains another one.
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
    except ValidationError as error:
        raise TamperedError(f"{beside} cannot be read as a receipt; use an intact copy") from error
    if any(digest(receipt.explanation) != each.get("digest") for each in summaries):
        raise TamperedError(f"{beside} explains another file than {path.name}")
    modality = _modality(path, manifest, mime)
    return Explained(
        request=request,
        explanation=receipt.explanation,
        stored=modality.decode(data),
        modality=modality,
    )


def _modality(path: Path, manifest: Manifest, mime: str) -> Modality:
    """What kind of data a file is of, as the certificate in its manifest says."""
    try:
        stated = PrivacyCertificate.model_validate(manifest.assertions.get(claims.PRIVACY))
    except ValidationError as error:
        raise TamperedError(f"{path} does not say what kind of data it is of") from error
    return modality_of_file(stated.data.shape, mime)


@checked
def made_again(explained: Explained, folder: Path) -> bool:
    """Whether the package in `folder` makes the same sample from the signed seed and label.

    Values may differ by one step of what is stored: other machines round float32 sums otherwise.
    Where a judge was undecided, another machine may keep another sample, and this says that it is
    another.

    Raises:
        DataError: the folder is not a package.
        TamperedError: the package was changed.
        InputError: the package knows no such label.
    """
    require_package(folder)
    import numpy as np
    import torch

    from safegen.package import files
    from safegen.pipeline.generate.model import open_generator

    opened = files.read(folder)
    request = explained.request
    if request.label >= opened.config.architecture.classes:
        raise InputError(f"{folder} has no label {request.label}; name the package that made it")
    if not request.index < request.count <= MOST:  # a stranger's may ask for all the memory
        raise InputError(f"no {request.count} outputs are made at once; its request is made up")
    generator = open_generator(opened)
    labels = torch.full((request.count,), request.label)
    sample = generator.sample(labels, request.seed)[request.index].numpy()
    modality = explained.modality
    again = modality.decode(modality.encode(sample))
    if again.shape != explained.stored.shape:
        return False
    seen, made = (modality.to_float(each.astype(np.float64)) for each in (explained.stored, again))
    return float(np.abs(seen - made).max()) <= STEPS * modality.step
