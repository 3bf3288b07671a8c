"""Samples to signed files: fingerprint, sign, read back; nothing may change after this.

On all cores, since the C2PA SDK lets go of Python while it works.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.explain.summary import summarise
from safegen.package import files
from safegen.provenance.c2pa.claims import (
    MODEL_TYPE,
    Account,
    Ingredient,
    Maker,
    SoftBinding,
    figure_claim,
    output_claim,
)
from safegen.schemas.names import EXPLANATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.explain.explain import ExplainedSample
    from safegen.modality.base import Modality
    from safegen.package.files import Package
    from safegen.progress import Progress
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.c2pa.timestamps import Stamping
    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.decision import Decision
    from safegen.schemas.label import VisibleLabel
    from safegen.schemas.mining import Mining
    from safegen.schemas.receipt import GenerationRequest
    from safegen.schemas.watermark import WatermarkRecord

FIGURE_MIME = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample on its way out, allowed and explained, but not signed.

    Attributes:
        name: of its file.
        modality: how it was encoded.
        request: what was asked.
        encoded: the file's bytes.
        figure: the picture of its explanation, PNG; None where none was asked for.
        explanation: its record and its numbers.
        decision: the policy's, on this output.
        training_mining: what others may do with it, by the policy.
        label: what it shows that says a machine made it; None without one.
        watermark: the mark in its pixels; None where it carries none.
    """

    name: str
    modality: Modality
    request: GenerationRequest
    encoded: bytes
    figure: bytes | None
    explanation: ExplainedSample
    decision: Decision
    training_mining: Mining
    label: VisibleLabel | None = None
    watermark: WatermarkRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One sample with its manifests, not logged yet.

    Attributes:
        sample: what it was.
        data: the file; its manifest is in it, where the kind of data embeds it.
        beside: otherwise the manifest's own file; None where it is embedded.
        figure: the signed picture of its explanation, where there is one.
        manifest: as it was read back.
        fingerprint: the code in it that finds a stripped copy; None where there is none.
    """

    sample: Sample
    data: bytes
    beside: bytes | None
    figure: bytes | None
    manifest: Manifest
    fingerprint: bytes | None = None


def seal(
    samples: Sequence[Sample],
    opened: Package,
    signer: Signer,
    stamping: Stamping,
    progress: Progress,
) -> list[Sealed]:
    """Sign outputs and their explanations' pictures; all of them, or none.

    Raises:
        KeyMaterialError: the signer could not sign.
        TimeStampError: a time-stamp is required, and the authority gave none.
        SafegenError: a signature does not hold when it is read back.
    """
    model = model_ingredient(opened)

    def one(sample: Sample) -> Sealed:
        return _seal(sample, opened, model, signer, stamping)

    sealed = []
    workers = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for item in workers.map(one, samples):
            sealed.append(item)
            progress("signing", len(sealed), len(samples))
    finally:
        workers.shutdown(cancel_futures=True)
    return sealed


def _seal(
    sample: Sample, opened: Package, model: Ingredient, signer: Signer, stamping: Stamping
) -> Sealed:
    fingerprint = _fingerprint(sample)
    claim = output_claim(
        title=sample.name,
        mime=sample.modality.mime,
        source_type=sample.modality.digital_source_type,
        maker=Maker(ingredient=model, digest=opened.digest, certificate=opened.certificate),
        account=Account(
            request=sample.request,
            explanation=summarise(sample.explanation.record),
            decision=sample.decision,
            watermark=sample.watermark,
        ),
        fingerprint=fingerprint,
        training_mining=sample.training_mining,
        label=sample.label,
    )
    if sample.modality.embeds:
        data, manifest = stamping.sign(sample.encoded, claim, signer)
        beside = None
    else:
        data = sample.encoded
        beside, manifest = stamping.sign_beside(data, claim, signer)
    return Sealed(
        sample=sample,
        data=data,
        beside=beside,
        figure=_sealed_figure(sample, data, beside, signer, stamping),
        manifest=manifest,
        fingerprint=None if fingerprint is None else fingerprint.code,
    )


def _sealed_figure(
    sample: Sample, data: bytes, beside: bytes | None, signer: Signer, stamping: Stamping
) -> bytes | None:
    if sample.figure is None:
        return None
    output = Ingredient(
        name="output",
        title=sample.name,
        mime=sample.modality.mime,
        relationship="componentOf",
        content=data,
        manifest=beside,
    )
    claim = figure_claim(
        title=f"{EXPLANATIONS}/{sample.name}",
        mime=FIGURE_MIME,
        output=output,
        decision=sample.decision,
    )
    return stamping.sign(sample.figure, claim, signer)[0]


def _fingerprint(sample: Sample) -> SoftBinding | None:
    """What finds the encoded file again; None where its kind of data knows no such code."""
    algorithm = sample.modality.fingerprint_algorithm
    code = (
        None if algorithm is None else sample.modality.fingerprint(sample.encoded, to_compare=True)
    )  # the same bits, a tenth of the time
    if algorithm is None or code is None:
        return None
    return SoftBinding(algorithm=algorithm, code=code)


def model_ingredient(opened: Package) -> Ingredient:
    """The model as what its outputs were made with, under its own signed manifest."""
    return Ingredient(
        name="model",
        title=opened.config.name,
        mime=files.WEIGHTS_MIME,
        relationship="inputTo",
        content=opened.content.weights,
        manifest=opened.manifest,
        data_type=MODEL_TYPE,
    )
