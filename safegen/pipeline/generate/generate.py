"""Request to signed release.

    1. Admit the request: the guard judges it and the model, and refuses at once what no output of
       a class that is asked for could meet.
    2. Sample.
    3. Screen the samples, and explain them.
    4. Admit each output.
    5. Encode, fingerprint the encoded file, sign it; nothing may change afterwards.
    6. Read it back: a file whose signature does not hold never leaves.

What is signed waits in memory. It is logged, with its receipts, at the moment when it leaves
(`safegen.pipeline.generate.outputs`). A refusal is logged at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.errors import Refused, SafegenError
from safegen.explain.explain import explain
from safegen.explain.figure import draw
from safegen.explain.lettering import shown
from safegen.explain.registry import explainer_named
from safegen.pipeline.generate.in_force import require_model
from safegen.pipeline.generate.leaving import Departure, log_refusal
from safegen.pipeline.generate.naming import names_of, new_id
from safegen.pipeline.generate.outputs import Release
from safegen.pipeline.generate.request import facts_of, understand
from safegen.pipeline.generate.signing import Sample, seal
from safegen.policy.facts import (
    AdmissionFacts,
    ForeseenFacts,
    ForeseenOutputFacts,
    ModelFacts,
    OutputFacts,
    ReleaseFacts,
)
from safegen.policy.guard import admit, refuse_early
from safegen.screens.measure import measure
from safegen.screens.registry import registered
from safegen.screens.screen import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from safegen.explain.explainer import Explainer
    from safegen.modality.image import ImageModality
    from safegen.models.generator import PictureGenerator
    from safegen.package.files import Package
    from safegen.policy.facts import RequestFacts
    from safegen.policy.load import Policy
    from safegen.progress import Progress
    from safegen.provenance.c2pa.timestamps import Stamping
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.explanation import Explanation
    from safegen.schemas.receipt import GenerationRequest
    from safegen.screens.measure import Screened


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
    encoded: bytes
    pixels: NDArray[np.uint8]  # as the file stores them
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
    name: str | Callable[[GenerationRequest], str],
    explainer: str,
    progress: Progress,
) -> Release:
    """Make outputs and let them out, as `Model.generate` describes."""
    requests = understand(
        count=count, purpose=purpose, label=label, seed=seed, classes=opened.config.data.classes
    )
    method, own = explainer_named(explainer), new_id()
    names = names_of(requests, name, own=own, suffix=modality.suffix)
    facts = AdmissionFacts(
        request=facts_of(requests, label), model=_model_facts(opened, safeguards)
    )
    safeguards.ledger.require(safeguards.signer)
    require_model(opened, safeguards.ledger)
    with _refusals_logged(opened, safeguards):
        # 1. Admit the request.
        admission = admit(safeguards.policy, facts)
        for each in _foreseen(requests, facts, modality):
            refuse_early(safeguards.policy, each)
        # 2 and 3. Sample and explain; screen what the files will store.
        made = list(_samples(generator, requests, names, modality, method, progress))
        screened = _screened(made, safeguards.policy)
        # 4. Admit each output.
        samples = [
            _allowed(one, seen, facts, safeguards.policy, opened.config.name, modality)
            for one, seen in zip(made, screened, strict=True)
        ]
    # 5 and 6. Sign, and read back.
    stamping = safeguards.stamping.anew()
    sealed = seal(samples, opened, safeguards.signer, stamping, progress)
    departure = Departure(
        sealed=tuple(sealed),
        admission=admission,
        model=opened.digest,
        policy=safeguards.policy.digest,
        signer=safeguards.signer,
        ledger=safeguards.ledger,
    )
    return Release(departure, own=own, seed=requests[0].seed, unstamped=stamping.missed)


@contextlib.contextmanager
def _refusals_logged(opened: Package, safeguards: Safeguards) -> Iterator[None]:
    """Tell the log of a refusal before the caller; where it cannot be told, the caller is."""
    try:
        yield
    except Refused as refused:
        try:
            log_refusal(refused, opened.digest, safeguards.signer, safeguards.ledger)
        except SafegenError as error:
            raise Refused(
                f"{refused}; and the refusal could not be logged: {error}", refused.decision
            ) from error
        raise


def _foreseen(
    requests: tuple[GenerationRequest, ...], asked: AdmissionFacts, modality: ImageModality
) -> Iterator[ForeseenFacts]:
    """What is known of the outputs already, once for each class."""
    output = ForeseenOutputFacts(
        signed=True,  # Safeguards have a signer, and step 6 withholds what it failed to sign
        digital_source_type=modality.digital_source_type,
        explained=True,
    )
    for request in {each.label: each for each in requests}.values():
        yield ForeseenFacts(request=_own(asked, request), model=asked.model, output=output)


def _own(asked: AdmissionFacts, request: GenerationRequest) -> RequestFacts:
    """What was asked, with one output's own class."""
    return dataclasses.replace(asked.request, label=request.label, label_name=request.label_name)


def _samples(
    generator: PictureGenerator,
    requests: tuple[GenerationRequest, ...],
    names: tuple[str, ...],
    modality: ImageModality,
    explainer: Explainer,
    progress: Progress,
) -> Iterator[_Made]:
    """Sample, explain and encode."""
    labels = torch.tensor([request.label for request in requests])
    draw = generator.draw(labels, requests[0].seed)
    with torch.no_grad():
        pictures = torch.cat(list(generator.rendered(draw))).numpy()
    explanations = explain(generator, draw, modality, explainer=explainer, progress=progress)
    for name, request, picture, explanation in zip(
        names, requests, pictures, explanations, strict=True
    ):
        encoded = modality.encode(picture)
        yield _Made(name, request, encoded, modality.decode(encoded), explanation)


def _screened(made: Sequence[_Made], policy: Policy) -> tuple[Screened, ...]:
    """What the screens that the policy speaks of say of all samples."""
    batch = Batch(
        samples=np.stack([each.pixels for each in made]),
        requests=tuple(each.request for each in made),
    )
    known = registered()
    return measure((known[name] for name in sorted(policy.screens)), batch)


def _allowed(
    made: _Made,
    screened: Screened,
    asked: AdmissionFacts,
    policy: Policy,
    model: str,
    modality: ImageModality,
) -> Sample:
    """Admit one sample, and draw its explanation.

    Raises:
        Refused: the policy does not allow it.
    """
    output = OutputFacts(
        signed=True,  # as foreseen
        digital_source_type=modality.digital_source_type,
        explained=True,
        completeness_gap=made.explanation.completeness_gap,
        screens=screened.scores,
    )
    request = made.request
    facts = ReleaseFacts(
        request=_own(asked, request),
        model=asked.model,
        output=output,
        failures=screened.failures,
    )
    name = shown(request.label_name, request.label)
    title = f"{made.name}: {name}, by {model} from seed {request.seed}"
    return Sample(
        name=made.name,
        modality=modality,
        request=request,
        encoded=made.encoded,
        figure=draw(made.pixels, made.explanation, title),
        explanation=made.explanation,
        decision=admit(policy, facts),
        training_mining=policy.training_mining,
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
