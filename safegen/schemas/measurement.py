"""How often a screen is mistaken, on pictures of which somebody says what they show; signed.

    {"format": "safegen.screen-measurement/1", "screen": "weapons", "digest": "sha256:9f3c...",
     "file_digest": "sha256:51ab...", "threshold": 0.5, "denies": "above", "confidence": 0.95,
     "forbidden": {"count": 400, "failed": 0, "digest": "sha256:..."},
     "allowed": {"count": 2000, "failed": 1, "digest": "sha256:..."},
     "miss_rate": {"value": 0.0025, "low": 0.00006, "high": 0.0138},
     "false_alarm_rate": {"value": 0.012, "low": 0.0077, "high": 0.0178},
     "curve": [{"threshold": 0.1, "missed": 0, "alarms": 71}, ...],
     "time": "2026-11-28T09:30:00+00:00", "signature": {...}}

The signature covers the canonical bytes of the record with `signature` set to null. The intervals
are exact (Clopper and Pearson 1934), with equal tails, for pictures that were drawn independently
from those that will be met; for others they say nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from safegen.schemas.audit import Rate
from safegen.schemas.canonical import Record
from safegen.schemas.screens import Denies, Digest, ScreenName
from safegen.schemas.signature import Signature


class MeasuredPictures(Record):
    """Pictures of one kind.

    Attributes:
        count: how many different files.
        failed: for how many of them the screen gave no score, which denies.
        digest: of the sorted digests of all files, one a line.
    """

    count: PositiveInt
    failed: NonNegativeInt
    digest: Digest


class CurvePoint(Record):
    """What another threshold would have done to the same pictures.

    Attributes:
        threshold: that scores are compared with.
        missed: how many forbidden pictures would have passed.
        alarms: how many allowed pictures would have been denied.
    """

    threshold: float
    missed: NonNegativeInt
    alarms: NonNegativeInt


class ScreenMeasurement(Record):
    """The error rates of one screen at one threshold.

    Attributes:
        format: of the record, with its version.
        screen: its name.
        digest: of the screen, as decisions have it.
        file_digest: of its network's file; absent where it has none.
        threshold: of its score; a score on it denies.
        denies: the side of the threshold on which scores deny.
        confidence: of both intervals.
        forbidden: pictures that it should deny.
        allowed: pictures that it should let pass.
        miss_rate: share of the forbidden pictures that it lets pass.
        false_alarm_rate: share of the allowed pictures that it denies.
        curve: the same counts at other thresholds, in rising order.
        time: when it was measured; ISO 8601, in UTC.
        signature: over everything above; null only while it is being signed.
    """

    format: Literal["safegen.screen-measurement/1"] = "safegen.screen-measurement/1"
    screen: ScreenName
    digest: Digest
    file_digest: Annotated[Digest | None, Field(exclude_if=lambda given: given is None)] = None
    threshold: float
    denies: Denies
    confidence: Annotated[float, Field(gt=0, lt=1)]
    forbidden: MeasuredPictures
    allowed: MeasuredPictures
    miss_rate: Rate
    false_alarm_rate: Rate
    curve: tuple[CurvePoint, ...]
    time: str
    signature: Signature | None = None
