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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from safegen.pipeline.generate.told import known_of
from safegen.policy.guard import admit, refuse_early
from safegen.schemas.decision import Identity
from safegen.screens.measure import measure
from safegen.screens.registry import registered
from safegen.screens.screen import Batch, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from safegen.explain.explainer import Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import LatentGenerator
    from safegen.package.files import Package
    from safegen.pipeline.generate.told import Known
    from safegen.policy.deployment import Deployment
    from safegen.policy.policy import Policy
    from safegen.progress import Progress
    from safegen.provenance.c2pa.timestamps import Stamping
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.decision import Decision
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
        deployment: where and for whom the system runs.
    """

    signer: Signer
    ledger: Ledger
    policy: Policy
    certified: bool
    stamping: Stamping
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class _Made:
    """One sample, explained but judged by nobody."""

    name: str
    request: GenerationRequest
    encoded: bytes
    stored: NDArray[Any]  # as the file stores them
    explanation: Explanation


def generate(  # noqa: PLR0913 - all that `Model.generate` was asked
    opened: Package,
    generator: LatentGenerator,
    safeguards: Safeguards,
    *,
    count: int,
    purpose: str,
    label: int | str | None,
    seed: int | None,
    modality: Modality,
    name: str | Callable[[GenerationRequest], str],
    explainer: str,
    actor: str,
    progress: Progress,
) -> Release:
    """Make outputs and let them out, as `Model.generate` describes."""
    requests = understand(
        count=count, purpose=purpose, label=label, seed=seed, classes=opened.config.data.classes
    )
    method, own = explainer_named(explainer), new_id()
    names = names_of(requests, name, own=own, suffix=modality.suffix)
    known = known_of(
        opened,
        facts_of(requests, label, actor),
        certified=safeguards.certified,
        deployment=safeguards.deployment,
        time_stamped=safeguards.stamping.required,
    )
    safeguards.ledger.require(safeguards.signer)
    require_model(opened, safeguards.ledger)
    with _refusals_logged(opened, safeguards):
        # 1. Admit the request.
        admission = admit(safeguards.policy, known.at_request())
        for request in {each.label: each for each in requests}.values():
            refuse_early(safeguards.policy, known.foreseen(request, modality))
        # 2 and 3. Sample and explain; screen what the files will store.
        made = list(_samples(generator, requests, names, modality, method, progress))
        screened, screens = _screened(made, modality, safeguards.policy)
        # 4. Admit each output.
        samples = []
        for one, seen in zip(made, screened, strict=True):
            facts = known.at_release(one.request, modality, one.explanation, seen)
            decision = admit(safeguards.policy, facts, screens)
            samples.append(_sample(one, decision, safeguards.policy, known, modality))
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


def _samples(
    generator: LatentGenerator,
    requests: tuple[GenerationRequest, ...],
    names: tuple[str, ...],
    modality: Modality,
    explainer: Explainer,
    progress: Progress,
) -> Iterator[_Made]:
    """Sample, explain and encode."""
    labels = torch.tensor([request.label for request in requests])
    draw = generator.draw(labels, requests[0].seed)
    with torch.no_grad():
        drawn = torch.cat(list(generator.rendered(draw))).numpy()
    explanations = explain(generator, draw, modality, explainer=explainer, progress=progress)
    for name, request, sample, explanation in zip(
        names, requests, drawn, explanations, strict=True
    ):
        encoded = modality.encode(sample)
        yield _Made(name, request, encoded, modality.decode(encoded), explanation)


def _screened(
    made: Sequence[_Made], modality: Modality, policy: Policy
) -> tuple[tuple[Screened, ...], tuple[Identity, ...]]:
    """What the screens that the policy speaks of say of all samples; and which they were."""
    batch = Batch(
        samples=np.stack([each.stored for each in made]),
        requests=tuple(each.request for each in made),
        modality=modality,
    )
    known = registered()
    asked = [known[name] for name in sorted(policy.screens)]
    identities = tuple(Identity(name=each.name, digest=digest_of(each)) for each in asked)
    return measure(asked, batch), identities


def _sample(
    made: _Made, decision: Decision, policy: Policy, known: Known, modality: Modality
) -> Sample:
    """One sample that was admitted, with the picture of its explanation."""
    request = made.request
    name = shown(request.label_name, request.label)
    title = f"{made.name}: {name}, by {known.model.name} from seed {request.seed}"
    return Sample(
        name=made.name,
        modality=modality,
        request=request,
        encoded=made.encoded,
        figure=draw(made.stored, modality, made.explanation, title),
        explanation=made.explanation,
        decision=decision,
        training_mining=policy.training_mining,
    )
