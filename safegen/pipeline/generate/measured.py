"""Which of a policy's screens were measured, as records say that somebody trusted has signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import TamperedError
from safegen.policy.facts import ScreenFacts
from safegen.provenance.keys import detached
from safegen.provenance.log.checkpoints import moment
from safegen.schemas.canonical import canonical_bytes

if TYPE_CHECKING:
    from safegen.policy.policy import Policy
    from safegen.schemas.measurement import ScreenMeasurement
    from safegen.screens.bound import BoundScreen


def screen_facts(policy: Policy, anchors: bytes | None) -> tuple[ScreenFacts, ...]:
    """What is known of a policy's screens before they measure anything.

    Args:
        policy: one, or several together.
        anchors: PEM roots of who may have signed their records; without any, none is believed.

    Raises:
        TamperedError: a record is not what was signed, or none of the roots stands behind it.
    """
    return tuple(_facts(each, anchors) for each in policy.bound.values())


def _facts(screen: BoundScreen, anchors: bytes | None) -> ScreenFacts:
    record = screen.measurement
    if record is None or anchors is None:
        return ScreenFacts(screen=screen.name, threshold=screen.threshold)
    problem = _problem(record, anchors)
    if problem is not None:
        raise TamperedError(
            f"the measurement of screen {screen.name} is not believed: {problem}; measure it with "
            f"`safegen screens measure {screen.name}`"
        )
    if not _counts(record, screen):
        return ScreenFacts(screen=screen.name, threshold=screen.threshold)
    return ScreenFacts(
        screen=screen.name,
        threshold=screen.threshold,
        measured=True,
        measured_on=record.time[: len("2026-11-28")],
        forbidden=record.forbidden.count,
        allowed=record.allowed.count,
        miss_rate=record.miss_rate.value,
        miss_rate_upper=record.miss_rate.high,
        false_alarm_rate=record.false_alarm_rate.value,
        false_alarm_rate_upper=record.false_alarm_rate.high,
    )


def _counts(record: ScreenMeasurement, screen: BoundScreen) -> bool:
    """Whether it is of this very screen, file and settings, at the threshold that rules read."""
    measured = (record.screen, record.digest, record.threshold, record.denies)
    return measured == (screen.name, screen.digest, screen.threshold, screen.denies)


def _problem(record: ScreenMeasurement, anchors: bytes) -> str | None:
    when = moment(record.time)
    if record.signature is None or when is None:
        return "it is not signed, or not dated"
    unsigned = canonical_bytes(record.model_copy(update={"signature": None}))
    return detached.signature_error(record.signature, unsigned, anchors, when)
