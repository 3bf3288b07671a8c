"""A released file to an account of it: what made it, and whether that can be made again.

The receipt beside a file holds the whole explanation; the signed manifest holds its digest. With
the model package at hand, the sample itself is drawn again from its signed seed and label.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen import storage
from safegen.arguments import checked
from safegen.errors import InputError, TamperedError
from safegen.modality.image import ImageModality, modality_of
from safegen.package import files
from safegen.pipeline.generate.request import MOST
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import read as read_manifest
from safegen.provenance.media.formats import mime_of
from safegen.schemas.canonical import digest
from safegen.schemas.names import receipt_beside
from safegen.schemas.receipt import GenerationRequest, read_receipt
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.schemas.explanation import AnyExplanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is known of how a released file came to be.

    Attributes:
        request: what was asked, as signed.
        explanation: the whole of it, with the digest that was signed.
        pixels: of the file, (channels, height, width), uint8.
        modality: how it was encoded.
    """

    request: GenerationRequest
    explanation: AnyExplanation
    pixels: NDArray[np.uint8]
    modality: ImageModality


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
    manifest = read_manifest(data, mime_of(path, data))
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
        raise TamperedError(f"{beside} explains another picture than {path.name}")
    return Explained(
        request=request,
        explanation=receipt.explanation,
        pixels=ImageModality().decode(data),
        modality=modality_of(mime_of(path, data)),
    )


@checked
def made_again(explained: Explained, folder: Path) -> bool:
    """Whether the package in `folder` makes the same picture from the signed seed and label.

    Pixels may differ by one step in 255: other machines round float32 sums otherwise. Where a judge
    was undecided, another machine may keep another picture, and this says that it is another.

    Raises:
        DataError: the folder is not a package.
        TamperedError: the package was changed.
        InputError: the package knows no such label.
    """
    import numpy as np
    import torch

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
    again = explained.modality.decode(explained.modality.encode(sample))
    if again.shape != explained.pixels.shape:
        return False
    return int(np.abs(again.astype(int) - explained.pixels.astype(int)).max()) <= 1
