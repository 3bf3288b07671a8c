"""A batch under many screens. What a screen cannot say is told by its name, and nothing leaves."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from safegen.screens.screen import Batch, Screen

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
    screens: Iterable[Screen], batch: Batch, *, timeout: float = TIMEOUT_SECONDS
) -> tuple[Screened, ...]:
    """Measure a whole batch.

    Args:
        screens: asked one after the other, each once.
        batch: of samples.
        timeout: seconds for each screen; what takes longer has failed. Its thread cannot be
            stopped, but nothing waits for it any more.

    Returns:
        One a sample, in the batch's order. Where a screen raised, took too long or answered with
        too few scores, it failed for every sample; where a score is no finite number, for that one.
    """
    scores: list[dict[str, float]] = [{} for _ in range(len(batch))]
    failures: list[dict[str, str]] = [{} for _ in range(len(batch))]
    for screen in screens:
        told = _answer(screen, batch, timeout)
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


def _answer(screen: Screen, batch: Batch, timeout: float) -> Sequence[float] | str:
    """The scores, or why there are none."""
    answers: list[Sequence[float] | str] = []

    def ask() -> None:
        try:
            answers.append([float(score) for score in screen.measure(batch)])
        except Exception as error:  # noqa: BLE001 - whatever it is, the release is denied by name
            answers.append(f"it raised {type(error).__name__}: {error}")

    asking = threading.Thread(target=ask, name=f"screen {screen.name}", daemon=True)
    asking.start()
    asking.join(timeout)
    if not answers:
        return f"it took longer than {timeout:g} seconds"
    (answer,) = answers
    if not isinstance(answer, str) and len(answer) != len(batch):
        return f"it gave {len(answer)} scores for {len(batch)} samples"
    return answer
