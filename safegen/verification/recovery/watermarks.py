"""Which marks of a log a picture carries, and how sure that is; numpy, and no torch.

Known ids are asked, never an unknown payload believed: where a log has so many ids that asking all
takes too long, those are asked that the picture itself suggests, and the chance still counts all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import InputError
from safegen.marks import codes, detect, evidence
from safegen.marks.designs import DESIGNS, design_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.provenance.log.index import RecoveryIndex

MOST_ASKED = 20_000  # ids that are all asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A row whose mark a picture seems to carry; only where to look, not proof.

    Attributes:
        number: of the row.
        algorithm: of the mark.
        id: of the mark.
        error: the probability, at most, that a picture which carries none of the log's marks seems
            to carry one so clearly.
    """

    number: int
    algorithm: str
    id: int
    error: float


def marks_in(pixels: NDArray[np.uint8], index: RecoveryIndex, origin: str | None) -> list[Marked]:
    """The marks of a log that a picture carries beyond doubt, the surest first.

    Args:
        pixels: (1 or 3, height, width).
        index: of the log.
        origin: the log's name.

    Raises:
        StorageError: the log cannot be read.
    """
    counts = {each: count for each, count in index.marked().items() if each in DESIGNS}
    if origin is None or not counts:
        return []
    key, total, found = origin.encode(), sum(counts.values()), []
    for algorithm, count in counts.items():
        try:
            reading = detect.read(pixels, algorithm=algorithm)
        except InputError:  # one flat colour, too large: no mark can be read in it
            continue
        rows = index.marks_of(algorithm, _asked(reading, key, count))
        ids = sorted(rows)
        chances = detect.chance(reading, ids, key) if ids else ()
        for mark, chance in zip(ids, chances, strict=True):
            error = min(1.0, float(chance) * total)
            if error <= evidence.FALSE_POSITIVE_RATE:
                found.append(Marked(number=rows[mark], algorithm=algorithm, id=mark, error=error))
    return sorted(found, key=lambda each: each.error)


def _asked(reading: detect.Reading, key: bytes, count: int) -> list[int] | None:
    """The ids to ask for; None for all that there are."""
    if count <= MOST_ASKED:
        return None
    design = design_of(reading.algorithm)
    signs = 1 - 2 * codes.mask(key, design.word_bits).astype("float32")
    payloads, _ = codes.decode(reading.logits * signs)
    return [int(each) for each in payloads]
