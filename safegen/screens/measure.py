"""A batch under many screens. What a screen cannot say is told by its name, and nothing leaves."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from safegen.screens.confined import ConfinedError, confined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from safegen.screens.screen import Batch, Screen

_Answer = TypeVar("_Answer")
TIMEOUT_SECONDS = 600.0  # a classifier on a slow machine may take a minute for 1,000 samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What screens said of one sample.

    Attributes:
        scores: by the screen's name; of those that could say something.
        failures: why the others could not, by name, in words.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


def measure(
    screens: Iterable[Screen],
    batch: Batch,
    *,
    timeout: float = TIMEOUT_SECONDS,
    seconds: Mapping[str, float] | None = None,
) -> tuple[Screened, ...]:
    """Measure a whole batch.

    Args:
        screens: asked one after the other, each once.
        batch: of samples.
        timeout: seconds for each screen; what takes longer has failed. It is told to stop, where it
            has a method `stop`, and nothing waits for it any more.
        seconds: by the screen's name, for those that have a limit of their own.

    Returns:
        One a sample, in the batch's order. Where a screen raised, took too long or answered with
        too few scores, it failed for every sample; where a score is no finite number, for that one.
    """
    scores: list[dict[str, float]] = [{} for _ in range(len(batch))]
    failures: list[dict[str, str]] = [{} for _ in range(len(batch))]
    for screen in screens:
        told = _answer(screen, batch, (seconds or {}).get(screen.name, timeout))
        for place in range(len(batch)):
            if isinstance(told, str):
                failures[place][screen.name] = told
            elif math.isfinite(told[place]):
                scores[place][screen.name] = told[place]
            else:
                failures[place][screen.name] = f"its score is {told[place]}, no finite number"
    return tuple(
        Screened(scores=scored, failures=failed)
        for scored, failed in zip(scores, failures, strict=True)
    )


def within(seconds: float, call: Callable[[], _Answer], screen: Screen) -> _Answer | BaseException:
    """What a call answers, or raises, in a thread of its own; a TimeoutError when it takes longer.

    Args:
        seconds: after which nothing waits for it any more.
        call: of the screen.
        screen: told to stop then, where it has a method `stop`; no thread can be stopped otherwise.
    """
    answers: list[_Answer | BaseException] = []

    def ask() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the release is denied by name
            answers.append(error)

    asking = threading.Thread(target=ask, name=f"screen {screen.name}", daemon=True)
    asking.start()
    asking.join(seconds)
    if answers:
        return answers[0]
    stop = getattr(screen, "stop", None)
    if callable(stop):
        stop()
    return TimeoutError(f"it took longer than {seconds:g} seconds")


def _answer(screen: Screen, batch: Batch, seconds: float) -> Sequence[float] | str:
    """The scores, or why there are none."""
    told = within(seconds, lambda: _scores(screen, batch), screen)
    if isinstance(told, TimeoutError | ConfinedError):
        return str(told)
    if isinstance(told, BaseException):
        return f"it raised {type(told).__name__}: {told}"
    if len(told) != len(batch):
        return f"it gave {len(told)} scores for {len(batch)} samples"
    return told


def _scores(screen: Screen, batch: Batch) -> list[float]:
    """The scores, by a screen that was opened before, and then did nothing but compute."""
    opening = getattr(screen, "open", None)
    if callable(opening):
        opening()
    with confined() as attempts:
        try:
            scores = [float(score) for score in screen.measure(batch)]
        except Exception:
            if not attempts:
                raise
            scores = []
    if attempts:
        raise ConfinedError(
            f"it tried to {attempts[0]}; while it measures a screen computes, and reads no data: "
            "what it needs is opened when it is made, or in its method open"
        )
    return scores
