"""Request to signed release.

    1. Admit the request: the guard judges it and the model.
    2. Sample.
    3. Screen the samples, and explain them.
    4. Admit each output.
    5. Encode, fingerprint the encoded file, sign it; nothing may change afterwards.
    6. Read it back: a file whose signature does not hold never leaves.
    7. Log all files in one transaction.
    8. Sign the receipts.

Files exist only in memory until the caller saves them, so a failure leaves nothing unsigned.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import torch

from safegen import package
from safegen.errors import SafegenError
from safegen.explain.attribution import explain
from safegen.explain.figure import draw
from safegen.explain.summary import summarise
from safegen.modality.image import ImageModality, fingerprint_pixels
from safegen.pipeline.release import Output, Release, file_names
from safegen.pipeline.request import facts_of, understand
from safegen.policy.facts import AdmissionFacts, ModelFacts, OutputFacts, ReleaseFacts
from safegen.policy.guard import admit
from safegen.provenance.claims import MODEL_TYPE, Claim, Ingredient, figure_claim, output_claim
from safegen.provenance.fingerprint import image_code
from safegen.provenance.manifest import Manifest, sign_embedded
from safegen.provenance.manifest import read as read_manifest
from safegen.provenance.receipts import sign_receipt
from safegen.records.canonical import sha256
from safegen.records.names import EXPLANATIONS
from safegen.records.receipt import LogEntry, Receipt
from safegen.screens.contrast import ContrastScreen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from safegen.models.generator import PictureGenerator
    from safegen.package import Package
    from safegen.policy.facts import RequestFacts
    from safegen.policy.load import Policy
    from safegen.progress import Progress
    from safegen.provenance.ledger import Ledger
    from safegen.provenance.signer import Signer
    from safegen.records.decision import Decision
    from safegen.records.explanation import Explanation
    from safegen.records.receipt import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguards:
    """What every release of a loaded model goes through.

    Attributes:
        signer: who signs.
        ledger: where it is logged.
        policy: what it must meet.
        certified: whether the model's certificate agrees with its events.
    """

    signer: Signer
    ledger: Ledger
    policy: Policy
    certified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One sample on its way out."""

    name: str
    request: GenerationRequest
    pixels: NDArray[np.uint8]
    encoded: bytes
    explanation: Explanation
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """One sample with its manifests, not logged yet."""

    sample: _Sample
    data: bytes
    figure: bytes
    manifest: Manifest
    time: str


def generate(
    opened: Package,
    generator: PictureGenerator,
    safeguards: Safeguards,
    *,
    count: int,
    purpose: str,
    label: int | str | None,
    seed: int | None,
    progress: Progress,
) -> Release:
    """Make outputs and let them out, as `Model.generate` describes."""
    requests = understand(
        count=count, purpose=purpose, label=label, seed=seed, classes=opened.config.data.classes
    )
    asked, model = facts_of(requests, label), _model_facts(opened, safeguards)
    # 1. Admit the request.
    admission = admit(safeguards.policy, AdmissionFacts(request=asked, model=model))
    # 2 to 4. Sample, screen, explain, and admit each output.
    samples = list(_samples(generator, requests, asked, model, safeguards, progress))
    # 5 and 6. Sign, and read back.
    signed = []
    for done, sample in enumerate(samples, start=1):
        signed.append(_sign(sample, opened, safeguards))
        progress("signing", done, count)
    # 7 and 8. Log everything at once, and hand out receipts.
    return Release(outputs=_log(signed, admission, opened, safeguards), seed=requests[0].seed)


def _samples(
    generator: PictureGenerator,
    requests: tuple[GenerationRequest, ...],
    asked: RequestFacts,
    model: ModelFacts,
    safeguards: Safeguards,
    progress: Progress,
) -> Iterator[_Sample]:
    """Sample, screen, explain and admit; nothing is yielded unless the policy allows it."""
    modality, contrast = ImageModality(), ContrastScreen()
    labels = torch.tensor([request.label for request in requests])
    noise = generator.noise(len(labels), requests[0].seed)
    with torch.no_grad():
        pictures = generator.sample(labels, requests[0].seed).numpy()
    explanations = explain(generator, noise, labels, progress=progress)
    names = file_names(len(requests))
    for name, request, picture, explanation in zip(
        names, requests, pictures, explanations, strict=True
    ):
        encoded = modality.encode(picture)
        pixels = modality.decode(encoded)
        output = OutputFacts(
            signed=True,  # Safeguards have a signer, and step 6 withholds what it failed to sign
            digital_source_type=modality.digital_source_type,
            explained=True,
            completeness_gap=explanation.completeness_gap,
            contrast=contrast.score(pixels),
        )
        own = dataclasses.replace(asked, label=request.label)
        facts = ReleaseFacts(request=own, model=model, output=output)
        yield _Sample(
            name=name,
            request=request,
            pixels=pixels,
            encoded=encoded,
            explanation=explanation,
            decision=admit(safeguards.policy, facts),
        )


def _sign(sample: _Sample, opened: Package, safeguards: Safeguards) -> _Signed:
    """Sign an output and its explanation's picture, and read both back."""
    claim = output_claim(
        title=sample.name,
        mime=ImageModality.mime,
        source_type=ImageModality.digital_source_type,
        model=_model_ingredient(opened),
        model_digest=opened.digest,
        certificate=opened.certificate,
        explanation=summarise(sample.explanation),
        decision=sample.decision,
        request=sample.request,
        fingerprint=image_code(fingerprint_pixels(sample.encoded)),
    )
    data, manifest = _sign_checked(sample.encoded, claim, safeguards)
    request = sample.request
    title = f"{sample.name}: {request.label_name}, by {opened.config.name} from seed {request.seed}"
    figure_name = f"{EXPLANATIONS}/{sample.name}"
    source = Ingredient(
        name="output",
        title=sample.name,
        mime=ImageModality.mime,
        relationship="componentOf",
        content=data,
    )
    drawn = draw(sample.pixels, sample.explanation, title)
    figure, _ = _sign_checked(
        drawn,
        figure_claim(
            title=figure_name, mime=ImageModality.mime, output=source, decision=sample.decision
        ),
        safeguards,
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return _Signed(sample=sample, data=data, figure=figure, manifest=manifest, time=now)


def _sign_checked(data: bytes, claim: Claim, safeguards: Safeguards) -> tuple[bytes, Manifest]:
    """Sign, then read back as a stranger would; a signature that does not hold never leaves."""
    signed = sign_embedded(data, claim, safeguards.signer)
    manifest = read_manifest(signed, claim.mime, anchors=safeguards.signer.anchor)
    wanted = {"Trusted"} if safeguards.signer.anchor else {"Trusted", "Valid"}
    if manifest.state not in wanted or manifest.broken_ingredients:
        broken = manifest.failures or manifest.broken_ingredients
        reasons = ", ".join(f"{code} ({text})" for code, text in broken.items())
        raise SafegenError(f"{claim.title} was withheld: its signature does not hold: {reasons}")
    return signed, manifest


def _log(
    signed: list[_Signed], admission: Decision, opened: Package, safeguards: Safeguards
) -> tuple[Output, ...]:
    """Append outputs and figures in one transaction; then each output gets its receipt."""
    policy = safeguards.policy.digest
    entries = [
        LogEntry(
            kind=kind,
            file_digest=sha256(data),
            model_digest=opened.digest,
            policy_digest=policy,
            time=item.time,
        )
        for item in signed
        for kind, data in (("output", item.data), ("explanation", item.figure))
    ]
    proofs = safeguards.ledger.append(entries)
    outputs = []
    for item, entry, proof in zip(signed, entries[::2], proofs[::2], strict=True):
        receipt = Receipt(
            file=item.sample.name,
            file_digest=entry.file_digest,
            manifest=item.manifest.label,
            model=opened.digest,
            request=item.sample.request,
            decisions=(admission, item.sample.decision),
            explanation=item.sample.explanation,
            entry=entry,
            proof=proof,
        )
        outputs.append(
            Output(
                name=item.sample.name,
                data=item.data,
                figure=item.figure,
                receipt=sign_receipt(receipt, safeguards.signer),
            )
        )
    return tuple(outputs)


def _model_ingredient(opened: Package) -> Ingredient:
    return Ingredient(
        name="model",
        title=opened.config.name,
        mime=package.WEIGHTS_MIME,
        relationship="inputTo",
        content=opened.content.weights,
        manifest=opened.manifest,
        data_type=MODEL_TYPE,
    )


def _model_facts(opened: Package, safeguards: Safeguards) -> ModelFacts:
    return ModelFacts(
        certified=safeguards.certified,
        epsilon=opened.certificate.epsilon,
        delta=opened.certificate.delta,
        unit=opened.certificate.unit,
        data=opened.config.data.name,
        digest=opened.digest,
    )
