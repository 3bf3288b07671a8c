"""What a run tells while it goes on: typed events, and the callbacks that hear them.

An event says what the plan says, or what a certificate is going to say: steps, purposes, epsilon.
It never holds a record, a loss, a gradient, how many units a step drew, or any value before its
noise, so that whoever listens, writes down or sends on what it hears gives nothing away. A
rehearsal compares every event of a run on two made-up data sets that differ in one unit
(`pipeline.train.miniature`).

    def every_hundredth(event):
        if isinstance(event, StepTaken) and event.step % 100 == 0:
            print(event.step, event.epsilon)

    safegen.train("digits", out="runs/digits", callbacks=[every_hundredth])
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import BudgetRefused, CallbackWarning, InputError
from safegen.privacy.accounting.events import coarse_epsilon_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from safegen.progress import Progress
    from safegen.schemas.certificate import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAdvanced:
    """Work that is no private step went on: planning, learning from made-up pictures.

    Attributes:
        stage: what is being done.
        done: how much of it.
        total: of how much.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The grant is taken, and from here on records are looked at.

    Attributes:
        steps: that the budget allows.
        steps_before: that an interrupted run has spent already.
        epsilon: the most that the run may cost.
        delta: at which.
    """

    steps: int
    steps_before: int
    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spent:
    """Something was paid for.

    Attributes:
        spent: all that the run has spent so far, as the certificate lists it.
        delta: of the plan.
    """

    spent: tuple[Event, ...]
    delta: float

    @property
    def epsilon(self) -> float:
        """Epsilon so far, overstated by some thousandths; asking takes a tenth of a second."""
        return coarse_epsilon_of(self.spent, self.delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMade(_Spent):
    """A planned statistic of all records was released with its noise.

    Attributes:
        purpose: what for, as the plan says.
    """

    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken(_Spent):
    """One noisy step was taken.

    Attributes:
        step: its number, from 1.
        steps: that the budget allows.
    """

    step: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointWritten:
    """The run can be resumed from here.

    Attributes:
        step: steps taken by then.
        claimed: steps that count as spent if the run is cut off now.
    """

    step: int
    claimed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The package is written, signed and logged.

    Attributes:
        steps: that were taken.
        epsilon: the certificate's.
        delta: the certificate's.
        certificate: its digest.
    """

    steps: int
    epsilon: float
    delta: float
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRefused:
    """The run may not go on: its budget, its plan or its records do not allow it.

    Attributes:
        reason: the error's sentence.
    """

    reason: str


TrainingEvent = (
    StageAdvanced
    | RunStarted
    | ReleaseMade
    | StepTaken
    | CheckpointWritten
    | RunFinished
    | RunRefused
)
Callback = Callable[[TrainingEvent], None]


class Callbacks:
    """All that listen to one run; none of them can end it."""

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self._listening = list(callbacks)

    def __call__(self, event: TrainingEvent) -> None:
        """Tell everybody; who raises is named in a warning, and told nothing more.

        Warns:
            CallbackWarning: a callback raised; the run goes on.
        """
        for callback in tuple(self._listening):
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 - somebody else's, and the run is worth more
                self._listening.remove(callback)
                warnings.warn(
                    f"the callback {_name(callback)} raised {type(error).__name__} at "
                    f"{type(event).__name__} and is told nothing more; the run goes on: {error}",
                    CallbackWarning,
                    stacklevel=2,
                )

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell of work that only knows how far it is (`safegen.progress`)."""
        self(StageAdvanced(stage=stage, done=done, total=total))

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Tell of a refusal on its way out."""
        try:
            yield
        except (BudgetRefused, InputError) as error:
            self(RunRefused(reason=str(error)))
            raise


def shown_by(progress: Progress) -> Callback:
    """A callback that draws a run's steps and stages where any other work is drawn."""

    def show(event: TrainingEvent) -> None:
        if isinstance(event, StageAdvanced):
            progress(event.stage, event.done, event.total)
        elif isinstance(event, StepTaken):
            progress("training", event.step, event.steps)

    return show


def _name(callback: Callback) -> str:
    return getattr(callback, "__qualname__", None) or type(callback).__qualname__
