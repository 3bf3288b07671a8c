"""Request to signed release.

    1. Admit the request and count it: the guard judges it and the model, and refuses at once what
       no output of a class that is asked for could meet.
    2. Sample.
    3. Screen the samples, explain them, and finish them: draw the label, mark, encode.
    4. Admit each output.
    5. Fingerprint the encoded file, sign it; nothing may change afterwards.
    6. Read it back: a file whose signature does not hold never leaves.

What is signed waits in memory. It is logged, with its receipts, at the moment when it leaves
(`safegen.pipeline.generate.outputs`). A refusal is logged at once. Of a large request the first
part goes through steps 2 to 6 at once, the others when the release is saved.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from safegen.errors import Refused, SafegenError
from safegen.explain.explain import explain
from safegen.explain.lettering import shown
from safegen.explain.registry import BY_DETAIL, explainer_named
from safegen.pipeline.generate.admission import admitted
from safegen.pipeline.generate.finishing import finish, planned_label
from safegen.pipeline.generate.in_force import made_with, require_usable
from safegen.pipeline.generate.leaving import Departure, log_refusal
from safegen.pipeline.generate.marking import marking_of
from safegen.pipeline.generate.naming import names_of, new_id
from safegen.pipeline.generate.outputs import Release
from safegen.pipeline.generate.request import facts_of, parse_request
from safegen.pipeline.generate.signing import Sample, seal
from safegen.pipeline.generate.statistics import released_statistics
from safegen.pipeline.generate.told import known_of
from safegen.policy.guard import admit
from safegen.schemas.decision import Identity
from safegen.schemas.names import ARRAYS_SUFFIX
from safegen.screens.bound import measure_bound
from safegen.screens.measure import Screened
from safegen.screens.screen import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from safegen.explain.explain import ExplainedSample
    from safegen.explain.explainer import Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import LatentDraw, LatentGenerator
    from safegen.package.files import Package
    from safegen.pipeline.generate.marking import Encoded, Marking
    from safegen.pipeline.generate.resuming import Begun
    from safegen.pipeline.generate.told import Known
    from safegen.policy.deployment import Deployment
    from safegen.policy.facts import ScreenFacts
    from safegen.policy.policy import Policy
    from safegen.progress import Progress
    from safegen.provenance.c2pa.timestamps import Stamping
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Ledger
    from safegen.provenance.log.usage import Usage
    from safegen.schemas.decision import Decision
    from safegen.schemas.explanation import Detail
    from safegen.schemas.label import VisibleLabel
    from safegen.schemas.receipt import GenerationRequest
    from safegen.screens.screen import ReleasedStatistics


PART = 256  # outputs that are signed, logged and placed together


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContext:
    """What every release of a loaded model is made with.

    Attributes:
        signer: who signs.
        ledger: where it is logged.
        policy: what it must meet.
        certified: whether the model's certificate agrees with its events.
        stamping: where time-stamps come from.
        deployment: where and for whom the system runs.
        screens: what is known of each screen before it measures.
        usage: where the policy's quotas are counted; None where it has none.
    """

    signer: Signer
    ledger: Ledger
    policy: Policy
    certified: bool
    stamping: Stamping
    deployment: Deployment
    screens: tuple[ScreenFacts, ...]
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """One sample, explained but judged by nobody."""

    name: str
    request: GenerationRequest
    encoded: Encoded  # with label and mark
    bare: NDArray[Any]  # as a file stores them without label and mark, which screens measure
    label: VisibleLabel | None
    explanation: ExplainedSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `Model.generate` was asked, as it describes it."""

    count: int
    purpose: str
    label: int | str | None
    seed: int | None
    name: str | Callable[[GenerationRequest], str]
    detail: Detail
    explainer: str | None
    actor: str
    begun: Begun | None = None
    watermark: str | None = None


def generate(
    opened: Package,
    generator: LatentGenerator,
    context: ReleaseContext,
    asked: Asked,
    modality: Modality,
    progress: Progress,
) -> Release:
    """Make outputs and let them out, as `Model.generate` describes."""
    begun = asked.begun
    requests = parse_request(
        count=asked.count,
        purpose=asked.purpose,
        label=asked.label,
        seed=asked.seed if begun is None else begun.seed,
        classes=opened.config.data.classes,
    )
    method = explainer_named(asked.explainer or BY_DETAIL[asked.detail])
    own = new_id() if begun is None else begun.own
    names = names_of(requests, asked.name, own=own, suffix=modality.suffix)
    starts = list(range(0, asked.count, PART))
    if begun is not None:
        starts = begun.missing(requests, names, PART)
    marking = marking_of(asked.watermark, modality, context.ledger)
    known = known_of(
        opened,
        facts_of(requests, asked.label, asked.actor),
        certified=context.certified,
        deployment=context.deployment,
        time_stamped=context.stamping.required,
        screens=context.screens,
        label=planned_label(context.policy, modality),
        marks=marking.mode is not None,
    )
    context.ledger.require(context.signer)
    require_usable(opened, context.policy, context.ledger)
    with _refusals_logged(opened, context):
        # 1. Admit the request.
        one_of_each = {each.label: each for each in requests}.values()
        admission = admitted(
            context.policy,
            context.usage,
            known,
            lambda: (known.foreseen(each, modality, asked.detail) for each in one_of_each),
        )
    making = _Making(
        opened=opened,
        generator=generator,
        context=context,
        requests=requests,
        names=names,
        known=known,
        admission=admission,
        modality=modality,
        explainer=method,
        detail=asked.detail,
        own=own,
        draw=generator.draw(torch.tensor([each.label for each in requests]), requests[0].seed),
        stamping=context.stamping.anew(),
        marking=marking,
        progress=progress,
        statistics=_statistics(generator, context.policy),
    )
    return Release(
        making.part(starts[0]),
        own=own,
        seed=requests[0].seed,
        names=[name for start in starts for name in names[start : start + PART]],
        rest=[functools.partial(making.part, start) for start in starts[1:]],
        unstamped=lambda: making.stamping.missed,
        unmarked=lambda: " ".join(dict.fromkeys(marking.missed)) or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """An admitted request on its way, part by part."""

    opened: Package
    generator: LatentGenerator
    context: ReleaseContext
    requests: tuple[GenerationRequest, ...]
    names: tuple[str, ...]
    known: Known
    admission: Decision
    modality: Modality
    explainer: Explainer
    detail: Detail
    own: str
    draw: LatentDraw
    stamping: Stamping
    marking: Marking
    progress: Progress
    statistics: ReleasedStatistics | None
    stored: dict[int, NDArray[Any]] = field(default_factory=dict)  # of each part, by its start

    def part(self, start: int) -> Departure:
        """Make, admit, sign and read back the outputs from `start` on."""
        opened, context = self.opened, self.context
        with _refusals_logged(opened, context):
            # 2 and 3. Sample and explain; screen what the files will store.
            made = self._made(start)
            screened, screens = self._screened(made, start)
            # 4. Admit each output.
            samples = []
            for one, seen in zip(made, screened, strict=True):
                facts = self.known.at_release(
                    one.request,
                    self.modality,
                    one.explanation.record,
                    seen,
                    label=one.label,
                    watermark=one.encoded.watermark,
                )
                decision = admit(context.policy, facts, screens)
                samples.append(_sample(one, decision, context.policy, self.known, self.modality))

        def told(stage: str, done: int, total: int) -> None:  # noqa: ARG001 - of the part alone
            self.progress(stage, start + done, len(self.requests))

        # 5 and 6. Sign, and read back.
        return Departure(
            sealed=tuple(seal(samples, opened, context.signer, self.stamping, told)),
            admission=self.admission,
            model=opened.digest,
            policy=context.policy.digest,
            made_with=made_with(opened, context.policy),
            signer=context.signer,
            ledger=context.ledger,
        )

    def _screened(
        self, made: Sequence[_Made], start: int
    ) -> tuple[tuple[Screened, ...], tuple[Identity, ...]]:
        """What the screens that the policy speaks of say of all samples; and which they were."""
        asked = self.context.policy.asked
        if not asked:
            return tuple(Screened() for _ in made), ()
        self.stored[start] = np.stack([each.bare for each in made])
        earlier = [self.stored[each] for each in sorted(self.stored) if each < start]
        batch = Batch(
            samples=self.stored[start],
            requests=tuple(each.request for each in made),
            modality=self.modality,
            earlier=np.concatenate(earlier) if earlier else None,
            statistics=self.statistics,
        )
        identities = tuple(
            Identity(name=each.name, digest=each.digest, file_digest=each.file_digest)
            for each in asked
        )
        return measure_bound(asked, batch), identities

    def _made(self, start: int) -> list[_Made]:
        rows = slice(start, start + PART)
        draw, total = self.draw.rows(rows), len(self.requests)
        number = f"-{start // PART + 1:03}" if total > PART else ""
        self.progress("explaining", start, total)
        explained = explain(
            self.generator,
            draw,
            self.modality,
            explainer=self.explainer,
            detail=self.detail,
            file=f"{self.own}{number}{ARRAYS_SUFFIX}",
        )
        self.progress("explaining", start + len(draw), total)
        with torch.no_grad():
            pictures = torch.cat(list(self.generator.rendered(draw))).numpy()
        finished = finish(pictures, self.marking, self.known.label, self.context.policy)
        made = []
        for name, request, picture, done, explanation in zip(
            self.names[rows], self.requests[rows], pictures, finished, explained, strict=True
        ):
            bare = self.modality.decode(self.modality.encode(picture))
            made.append(_Made(name, request, done.encoded, bare, done.label, explanation))
        return made


@contextlib.contextmanager
def _refusals_logged(opened: Package, context: ReleaseContext) -> Iterator[None]:
    """Tell the log of a refusal before the caller; where it cannot be told, the caller is."""
    try:
        yield
    except Refused as refused:
        try:
            log_refusal(refused, opened.digest, context.signer, context.ledger)
        except SafegenError as error:
            raise Refused(
                f"{refused}; and the refusal could not be logged: {error}", refused.decision
            ) from error
        raise


def _statistics(generator: LatentGenerator, policy: Policy) -> ReleasedStatistics | None:
    """What the package makes usual, where a screen that the policy speaks of needs it."""
    if not any(getattr(each.screen, "needs_statistics", False) for each in policy.asked):
        return None
    return released_statistics(generator)


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
        encoded=made.encoded.data,
        figure=_figure(made, modality, title),
        explanation=made.explanation,
        label=made.label,
        decision=decision,
        training_mining=policy.training_mining,
        watermark=made.encoded.watermark,
    )


def _figure(made: _Made, modality: Modality, title: str) -> bytes | None:
    """The picture of a full explanation; a summary goes without, and without a plotting library."""
    if made.explanation.record.detail != "full":
        return None
    from safegen.explain.figure import draw

    explained = made.explanation
    return draw(made.encoded.stored, modality, explained.record, explained.attributions, title)
