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
from typing import TYPE_CHECKING

import torch

from safegen.explain.attribution import explain
from safegen.explain.figure import draw
from safegen.pipeline.release import Output, Release, file_names
from safegen.pipeline.request import facts_of, understand
from safegen.pipeline.seal import Sample, Sealed, seal
from safegen.policy.facts import AdmissionFacts, ModelFacts, OutputFacts, ReleaseFacts
from safegen.policy.guard import admit
from safegen.provenance.receipts import sign_receipt
from safegen.records.canonical import sha256
from safegen.records.log import LogEntry
from safegen.records.receipt import Receipt
from safegen.screens.contrast import ContrastScreen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from safegen.modality.image import ImageModality
    from safegen.models.generator import PictureGenerator
    from safegen.package import Package
    from safegen.policy.load import Policy
    from safegen.progress import Progress
    from safegen.provenance.ledger import Ledger
    from safegen.provenance.signer import Signer
    from safegen.provenance.stamping import Stamping
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
        stamping: where time-stamps come from.
    """

    signer: Signer
    ledger: Ledger
    policy: Policy
    certified: bool
    stamping: Stamping


@dataclass(frozen=True, slots=True)
class _Made:
    """One sample, explained but judged by nobody."""

    name: str
    request: GenerationRequest
    picture: NDArray[np.float32]
    explanation: Explanation


def generate(  # noqa: PLR0913 - all that `Model.generate` was asked
    opened: Package,
    generator: PictureGenerator,
    safeguards: Safeguards,
    *,
    count: int,
    purpose: str,
    label: int | str | None,
    seed: int | None,
    modality: ImageModality,
    progress: Progress,
) -> Release:
    """Make outputs and let them out, as `Model.generate` describes."""
    requests = understand(
        count=count, purpose=purpose, label=label, seed=seed, classes=opened.config.data.classes
    )
    facts = AdmissionFacts(
        request=facts_of(requests, label), model=_model_facts(opened, safeguards)
    )
    # 1. Admit the request.
    safeguards.ledger.require(safeguards.signer)
    admission = admit(safeguards.policy, facts)
    # 2 to 4. Sample, screen, explain, and admit each output.
    made = _samples(generator, requests, modality, progress)
    samples = [
        _allowed(one, facts, safeguards.policy, opened.config.name, modality) for one in made
    ]
    # 5 and 6. Sign, and read back.
    stamping = safeguards.stamping.anew()
    sealed = seal(samples, opened, safeguards.signer, stamping, progress)
    # 7 and 8. Log everything at once, and hand out receipts.
    return Release(
        outputs=_log(sealed, admission, opened, safeguards),
        seed=requests[0].seed,
        unstamped=stamping.missed,
    )


def _samples(
    generator: PictureGenerator,
    requests: tuple[GenerationRequest, ...],
    modality: ImageModality,
    progress: Progress,
) -> Iterator[_Made]:
    """Sample and explain."""
    labels = torch.tensor([request.label for request in requests])
    draw = generator.draw(labels, requests[0].seed)
    with torch.no_grad():
        pictures = torch.cat(list(generator.rendered(draw))).numpy()
    explanations = explain(generator, draw, progress=progress)
    names = file_names(len(requests), modality.suffix)
    for parts in zip(names, requests, pictures, explanations, strict=True):
        yield _Made(*parts)


def _allowed(
    made: _Made, asked: AdmissionFacts, policy: Policy, model: str, modality: ImageModality
) -> Sample:
    """Encode, screen and admit one sample, and draw its explanation.

    Raises:
        Refused: the policy does not allow it.
    """
    encoded = modality.encode(made.picture)
    pixels = modality.decode(encoded)
    output = OutputFacts(
        signed=True,  # Safeguards have a signer, and step 6 withholds what it failed to sign
        digital_source_type=modality.digital_source_type,
        explained=True,
        completeness_gap=made.explanation.completeness_gap,
        contrast=ContrastScreen().score(pixels),
    )
    request = made.request
    own = dataclasses.replace(asked.request, label=request.label)
    title = f"{made.name}: {request.label_name}, by {model} from seed {request.seed}"
    return Sample(
        name=made.name,
        modality=modality,
        request=request,
        encoded=encoded,
        figure=draw(pixels, made.explanation, title),
        explanation=made.explanation,
        decision=admit(policy, ReleaseFacts(request=own, model=asked.model, output=output)),
        training_mining=policy.training_mining,
    )


def _log(
    sealed: list[Sealed], admission: Decision, opened: Package, safeguards: Safeguards
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
        for item in sealed
        for kind, data in (("output", item.data), ("explanation", item.figure))
    ]
    logged = safeguards.ledger.append(entries, signer=safeguards.signer)
    assert logged.checkpoint is not None
    outputs = []
    for item, entry, proof in zip(sealed, entries[::2], logged.proofs[::2], strict=True):
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
            checkpoint=logged.checkpoint,
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


def _model_facts(opened: Package, safeguards: Safeguards) -> ModelFacts:
    return ModelFacts(
        certified=safeguards.certified,
        epsilon=opened.certificate.epsilon,
        delta=opened.certificate.delta,
        unit=opened.certificate.unit,
        data=opened.config.data.name,
        digest=opened.digest,
    )
