"""How often a screen is mistaken: two folders of pictures to a signed record.

1. Read all pictures; one file counts once, and none may lie in both folders.
2. Measure them in batches, as a release is measured.
3. Count at the threshold, with exact intervals, and at others.
4. Sign.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.audit.statistics import error_of, proportion
from safegen.errors import DataError, InputError
from safegen.modality.image import pixels_of
from safegen.modality.registry import modality_of
from safegen.provenance.keys import detached
from safegen.provenance.keys.opener import open_signer
from safegen.schemas.audit import Rate
from safegen.schemas.canonical import canonical_bytes, sha256
from safegen.schemas.card import PictureShape
from safegen.schemas.measurement import CurvePoint, MeasuredPictures, ScreenMeasurement
from safegen.screens.bound import measure_bound
from safegen.screens.screen import Batch
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from safegen.schemas.screens import Denies
    from safegen.screens.bound import BoundScreen

    Scores = NDArray[np.float64]

BATCH_PICTURES = 256  # as many as a release screens at once
MAX_CURVE_POINTS = 101


def measure_screen(
    screen: BoundScreen,
    *,
    allowed: str | Path,
    forbidden: str | Path,
    keys: str | Path,
    confidence: float = 0.95,
) -> ScreenMeasurement:
    """Measure a screen's error rates at its threshold.

    Args:
        screen: with a threshold.
        allowed: a folder of pictures that it should let pass; its own folders are read, too.
        forbidden: a folder of pictures that it should deny.
        keys: of whoever stands for the figures.
        confidence: of the intervals, in (0, 1).

    Raises:
        DataError: a folder holds no pictures, or both hold the same one; or that is no confidence.
        InputError: the screen has no threshold, or cannot be opened.
        KeyMaterialError: nothing can be signed with these keys.
    """
    error_of(confidence)
    signer = open_signer(keys)
    if screen.threshold is None:
        raise InputError(f"nothing says from which score on {screen.name} denies; give a threshold")
    screen.open()
    good, bad = _files(Path(allowed)), _files(Path(forbidden))
    both = sorted(good.keys() & bad.keys())
    if both:
        raise DataError(f"{good[both[0]]} and {bad[both[0]]} are the same picture; sort it out")
    harmless, harmful = _scores(screen, good), _scores(screen, bad)
    threshold, denies = screen.threshold, screen.denies
    made = ScreenMeasurement(
        screen=screen.name,
        digest=screen.digest,
        file_digest=screen.file_digest,
        threshold=threshold,
        denies=denies,
        confidence=confidence,
        forbidden=_described(bad, harmful),
        allowed=_described(good, harmless),
        miss_rate=_rate(_passing(harmful, threshold, denies), len(harmful), confidence),
        false_alarm_rate=_rate(
            len(harmless) - _passing(harmless, threshold, denies), len(harmless), confidence
        ),
        curve=tuple(_curve(harmless, harmful, denies)),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return made.model_copy(update={"signature": detached.sign(canonical_bytes(made), signer)})


def _files(folder: Path) -> dict[str, Path]:
    """Every visible file below a folder by its digest, in the order of their names.

    Raises:
        DataError: there is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; name one that holds pictures")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])
    )
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(sha256(read(path)), path)
    if not found:
        raise DataError(f"{folder} holds no pictures; without any, nothing is known of the screen")
    return found


def _scores(screen: BoundScreen, files: dict[str, Path]) -> Scores:
    """The score of each file, NaN where the screen gave none."""
    scores: list[float] = []
    for batch in _batches(list(files.values())):
        seen = measure_bound([screen], batch)
        scores += [each.scores.get(screen.name, np.nan) for each in seen]
    return np.array(scores)


def _batches(paths: Sequence[Path]) -> Iterator[Batch]:
    """Pictures of one size that follow each other, a few hundred at once."""
    waiting: list[NDArray[np.uint8]] = []
    for path in paths:
        try:
            pixels = pixels_of(read(path))
        except DataError as error:
            raise DataError(f"{path}: {error}; mend or remove it") from error
        if waiting and (pixels.shape != waiting[0].shape or len(waiting) == BATCH_PICTURES):
            yield _batch(waiting)
            waiting = []
        waiting.append(pixels)
    yield _batch(waiting)


def _batch(pictures: Sequence[NDArray[np.uint8]]) -> Batch:
    channels, height, width = pictures[0].shape
    shape = PictureShape(channels=channels, height=height, width=width)
    return Batch(samples=np.stack(pictures), requests=(), modality=modality_of(shape))


def _passing(scores: Scores, threshold: float, denies: Denies) -> int:
    """How many scores let pass; what is no number does not."""
    return int((scores < threshold if denies == "above" else scores > threshold).sum())


def _rate(count: int, of: int, confidence: float) -> Rate:
    found = proportion(count, of, confidence=confidence)
    return Rate(value=found.value, low=found.low, high=found.high)


def _described(files: dict[str, Path], scores: Scores) -> MeasuredPictures:
    return MeasuredPictures(
        count=len(files),
        failed=int(np.isnan(scores).sum()),
        digest=sha256("".join(f"{digest}\n" for digest in sorted(files)).encode()),
    )


def _curve(harmless: Scores, harmful: Scores, denies: Denies) -> Iterator[CurvePoint]:
    """Thresholds on the scores that were seen, evenly many of them between one and the next."""
    seen = np.unique(np.concatenate([harmless, harmful]))
    seen = seen[~np.isnan(seen)]
    places = np.linspace(0, len(seen) - 1, min(len(seen), MAX_CURVE_POINTS)).round().astype(int)
    for threshold in seen[places].tolist():
        yield CurvePoint(
            threshold=threshold,
            missed=_passing(harmful, threshold, denies),
            alarms=len(harmless) - _passing(harmless, threshold, denies),
        )
