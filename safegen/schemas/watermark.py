"""The mark that an output's pixels carry: the assertion `org.safegen.watermark`.

{"format": "safegen.watermark/1", "algorithm": "org.safegen.mark.small.1", "id": 41201,
 "ledger": "urn:uuid:...", "mode": "speed", "strength": 37.0, "psnr": 38.2}
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from safegen.schemas.canonical import Record

Mode = Literal["speed", "quality"]
Watermark = Literal["speed", "quality", "none"]  # what can be asked for
WATERMARKS: tuple[Watermark, ...] = get_args(Watermark)


class WatermarkRecord(Record):
    """Enough to write the same mark into the same picture again, and to look it up.

    Attributes:
        format: the format's name and version.
        algorithm: the extractor's name, as in the soft binding beside this.
        id: the payload, which the ledger gave to this output alone.
        ledger: the name of the log that knows the id, and whose words the mark is written in.
        mode: how it was written.
        strength: the peak signal-to-noise ratio that was asked for, in dB: the lower, the stronger.
        psnr: the ratio of the marked picture to the unmarked one, in dB, before it was encoded.
    """

    format: Literal["safegen.watermark/1"] = "safegen.watermark/1"
    algorithm: str
    id: Annotated[int, Field(ge=0, lt=2**53)]
    ledger: str
    mode: Mode
    strength: Annotated[float, Field(ge=0)]
    psnr: Annotated[float, Field(ge=0)]

    @property
    def key(self) -> bytes:
        """What masks the ledger's words."""
        return self.ledger.encode()

    @property
    def value(self) -> bytes:
        """The id as the soft binding has it: 8 bytes, big-endian."""
        return self.id.to_bytes(8)
