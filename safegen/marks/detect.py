"""Reading marks, in numpy alone: what a picture says, and how much that proves.

A word that is read proves nothing: some word can be read in every picture. What proves something is
that the word of an id which a ledger knew before agrees with what is read, far better than chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import InputError
from safegen.marks import codes, evidence
from safegen.marks.designs import design_for, design_of
from safegen.marks.extractor import extractor_of
from safegen.marks.views import look, luma

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from safegen.marks.designs import Design


MAX_PIXELS = 2**26  # of a picture that is looked at
FEWEST_SHADES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an extractor read in a picture.

    Attributes:
        algorithm: the extractor's name.
        logits: (alignments, word_bits), float32, masked; positive where a bit is likelier 1.
    """

    algorithm: str
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The known id that a picture most likely carries.

    Attributes:
        algorithm: of the mark.
        id: the payload.
        chance: that a picture which carries no mark of this ledger seems to carry one of the ids
            asked, in any of the alignments.
    """

    algorithm: str
    id: int
    chance: float

    @property
    def proved(self) -> bool:
        """Whether the chance is small enough to be believed."""
        return self.chance <= evidence.FALSE_POSITIVE_RATE


def read(picture: NDArray[np.uint8], *, algorithm: str | None = None) -> Reading:
    """What an extractor reads in a picture.

    Args:
        picture: (height, width) or (1 or 3, height, width), uint8.
        algorithm: the extractor; None for the one that pictures of this size are marked for. Who
            was enlarged or made smaller since is read by the one that it was marked for.

    Raises:
        InputError: the picture is no grey or RGB picture of 8 bits a channel, is too large, too
            small for any mark, or has a single colour.
    """
    pixels = checked(picture)
    design = design_for(*pixels.shape[1:]) if algorithm is None else design_of(algorithm)
    squares = look(luma(pixels), design.side)
    return Reading(algorithm=design.algorithm, logits=extractor_of(design).logits(squares))


def read_unmoved(pictures: NDArray[np.uint8], design: Design) -> NDArray[np.float32]:
    """What an extractor reads in pictures that nobody has cropped or turned: by whoever made them.

    Args:
        pictures: (count, 1 or 3, height, width), uint8.
        design: of the extractor.

    Returns:
        (count, word_bits), float32, masked; positive where a bit is likelier 1.
    """
    squares = [look(luma(each), design.side, first=1)[0] for each in pictures]
    return extractor_of(design).logits(np.stack(squares))


def chance(
    picture: NDArray[np.uint8] | Reading,
    ids: Sequence[int] | NDArray[np.uint64],
    key: bytes,
    *,
    algorithm: str | None = None,
) -> NDArray[np.float64]:
    """For each known id, the chance that a picture without it agrees with it so well.

    Args:
        picture: as of `read`, or what was read.
        ids: (count,), payloads that the ledger registered for this algorithm.
        key: the ledger's random name.
        algorithm: as of `read`.

    Returns:
        (count,), float64 in [0, 1]: p-values after all alignments, of each id alone. Who asks for
        many ids multiplies by their number; `find` does.

    Raises:
        InputError: as of `read`; or an id has too many bits.
    """
    reading = picture if isinstance(picture, Reading) else read(picture, algorithm=algorithm)
    word_bits = design_of(reading.algorithm).word_bits
    return evidence.chances(reading.logits, codes.words(ids, word_bits, key))


def find(
    picture: NDArray[np.uint8], known: Mapping[str, Sequence[int]], key: bytes
) -> Found | None:
    """The known id that a picture most likely carries, whatever size it has now.

    Args:
        picture: as of `read`.
        known: ids by algorithm.
        key: the ledger's random name.

    Returns:
        The likeliest; its `chance` counts all ids of all algorithms. None without any ids.
    """
    found: list[Found] = []
    asked = sum(len(ids) for ids in known.values())
    for algorithm, ids in known.items():
        if len(ids):
            each = chance(picture, ids, key, algorithm=algorithm)
            best = int(each.argmin())
            bound = min(1.0, float(each[best]) * asked)
            found.append(Found(algorithm=algorithm, id=int(ids[best]), chance=bound))
    return min(found, key=lambda one: one.chance, default=None)


def payload(reading: Reading, key: bytes) -> int:
    """The likeliest payload, known or not: what to ask a ledger about, and no evidence.

    Args:
        reading: of a picture.
        key: the ledger's random name.
    """
    word_bits = design_of(reading.algorithm).word_bits
    signs = 1 - 2 * codes.mask(key, word_bits).astype(np.float32)
    payloads, certainty = codes.decode(reading.logits * signs)
    return int(payloads[certainty.argmax()])


def checked(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture as (channels, height, width).

    Raises:
        InputError: as of `read`, but for the size that a mark needs.
    """
    if picture.dtype != np.uint8:
        raise InputError(f"marks are in pictures of 8 bits a channel, not of {picture.dtype}")
    pixels = picture[None] if picture.ndim == 2 else picture
    if pixels.ndim != 3 or len(pixels) not in {1, 3}:
        raise InputError(
            f"marks are in grey or RGB pictures, (1 or 3, height, width), without alpha;"
            f" this one is {picture.shape}"
        )
    if pixels[0].size > MAX_PIXELS:
        raise InputError(f"a picture of more than {MAX_PIXELS:,} pixels is too large to look at")
    if not (pixels != pixels[:, :1, :1]).any():
        raise InputError("a picture of one flat colour carries no mark")
    return pixels
