"""What extractors there are, and which of them a picture is marked with; pure."""

from __future__ import annotations

from dataclasses import dataclass

from safegen.errors import InputError
from safegen.marks.codes import payload_bits

LARGE_FROM = 48  # pixels of the shorter side: from here on the large one


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What an extractor is, but for its weights.

    Attributes:
        algorithm: its name in manifests and ledgers; a mark is read by the extractor of its name.
        file: that holds its weights, beside this module.
        digest: SHA-256 of that file.
        side: of the square that it looks at, in pixels.
        strides: of its convolutions.
        word_bits: how many bits it reads.
    """

    algorithm: str
    file: str
    digest: str
    side: int
    strides: tuple[int, ...]
    word_bits: int

    @property
    def payload_bits(self) -> int:
        """How many bits a payload has."""
        return payload_bits(self.word_bits)


SMALL = Design(
    algorithm="org.safegen.mark.small.1",
    file="small.safetensors",
    digest="5e2b44d0d7770d2c51bf7b6994af77ce0f05156f023a6d672df05a4c5cd87984",
    side=32,
    strides=(1, 2, 2, 2),
    word_bits=64,
)
LARGE = Design(
    algorithm="org.safegen.mark.large.1",
    file="large.safetensors",
    digest="cd327bb4f1ea5d818070aeae5b1498bc9768dc7e6b76e0a21dcc93d219a7375b",
    side=64,
    strides=(2, 2, 2, 2),
    word_bits=128,
)
DESIGNS = {design.algorithm: design for design in (SMALL, LARGE)}
SMALLEST_SIDE = 28  # pixels; below, a picture has no room for a mark


def design_for(height: int, width: int) -> Design:
    """The extractor that pictures of a size are marked for.

    Args:
        height: in pixels.
        width: in pixels.

    Raises:
        InputError: the picture is too small to carry a mark.

    >>> design_for(28, 28).payload_bits, design_for(64, 96).payload_bits
    (16, 32)
    """
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"a picture of {width}x{height} pixels is too small to carry a mark;"
            f" its sides have at least {SMALLEST_SIDE} pixels"
        )
    return LARGE if min(height, width) >= LARGE_FROM else SMALL


def design_of(algorithm: str) -> Design:
    """The extractor of a name.

    Raises:
        InputError: this version of safegen has none of that name.
    """
    if algorithm not in DESIGNS:
        known = ", ".join(DESIGNS)
        raise InputError(f"no marks of the algorithm {algorithm!r} are known here, only {known}")
    return DESIGNS[algorithm]
