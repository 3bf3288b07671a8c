"""Marks into samples before they are encoded, and read back from what the files then store.

1. The ledger gives each output an id that no other ever had.
2. The mark is written into the picture, so faintly that it is hardly seen.
3. The picture is encoded, decoded, and the mark is read in what comes out.
4. What cannot be read is written again, more strongly. What cannot be read then goes without a
   mark, and its facts say so: whether it may leave is for the policy (`marks.watermark`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.errors import InputError, RequestError
from safegen.marks import codes, evidence
from safegen.marks.designs import design_for
from safegen.marks.detect import read_unmoved
from safegen.marks.views import VIEWS
from safegen.schemas.card import PictureShape
from safegen.schemas.watermark import WATERMARKS, WatermarkRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen.marks.designs import Design
    from safegen.modality.base import Modality
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.watermark import Mode

STRENGTHS = (37.0, 34.5, 32.0)  # dB, one after the other; below 32, marks are seen
PEAK = 255
ROOM_TO_GROW = 1000  # times as many marks as now, among which this one is still found


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One sample as its file will store it.

    Attributes:
        data: the file, not signed yet.
        stored: what it decodes to, (*dimensions).
        watermark: the mark that was read in `stored`; None where it carries none.
    """

    data: bytes
    stored: NDArray[Any]
    watermark: WatermarkRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What marks the outputs of one request.

    Attributes:
        modality: what they are.
        ledger: that gives out the ids.
        mode: how marks are written; None for none.
        missed: why outputs carry no mark, in sentences; grows as outputs are made.
    """

    modality: Modality
    ledger: Ledger
    mode: Mode | None
    missed: list[str] = field(default_factory=list)

    def encode(self, samples: NDArray[Any]) -> list[Encoded]:
        """Mark, encode and read back.

        Args:
            samples: (count, *dimensions), in [0, 1].

        Raises:
            StorageError: the ledger cannot give out ids, or has none left.
        """
        plain = np.stack([self.modality.to_stored(each) for each in samples])
        made: list[Encoded | None] = [None] * len(plain)
        if self.mode is not None:
            self._mark(plain, made, self.mode)
        return [
            self._encoded(plain[place]) if each is None else each for place, each in enumerate(made)
        ]

    def _mark(self, plain: NDArray[Any], made: list[Encoded | None], mode: Mode) -> None:
        """Put in its place what carries a mark that can be read."""
        from safegen.marks.embed import embed

        design = design_for(*plain.shape[-2:])
        left = [place for place, each in enumerate(plain) if (each != each[:, :1, :1]).any()]
        flat = len(plain) - len(left)
        given = self.ledger.index.give_out(design.algorithm, design.payload_bits, len(left))
        ids = dict(zip(left, given, strict=True))
        origin = self.ledger.origin or ""
        for strength in STRENGTHS if left else ():
            chosen = [ids[place] for place in left]
            marked = embed(plain[left], chosen, key=origin.encode(), psnr=strength, mode=mode)
            encoded = [self._encoded(each) for each in marked]
            read = self._read_back(design, encoded, chosen, origin.encode())
            for place, each, picture, holds in zip(left, encoded, marked, read, strict=True):
                if holds:
                    record = WatermarkRecord(
                        algorithm=design.algorithm,
                        id=ids[place],
                        ledger=origin,
                        mode=mode,
                        strength=strength,
                        psnr=_psnr(plain[place], picture),
                    )
                    made[place] = Encoded(data=each.data, stored=each.stored, watermark=record)
            left = [place for place in left if made[place] is None]
            if not left:
                break
        if flat:
            self.missed.append(f"{flat} outputs of one flat colour carry no mark.")
        if left:
            self.missed.append(
                f"{len(left)} outputs carry no mark, because none that is hardly seen could be "
                f"read in the {self.modality.format} file."
            )

    def _read_back(
        self, design: Design, encoded: Sequence[Encoded], ids: Sequence[int], key: bytes
    ) -> list[bool]:
        """Whether each id would be found among many more than the ledger knows."""
        known = self.ledger.index.marked().get(design.algorithm, 0) + len(ids)
        logits = read_unmoved(np.stack([each.stored for each in encoded]), design)
        words = codes.words(ids, design.word_bits, key)
        asked = known * len(VIEWS) * ROOM_TO_GROW
        return [
            float(evidence.chances(read[None], word[None])[0]) * asked
            <= evidence.FALSE_POSITIVE_RATE
            for read, word in zip(logits, words, strict=True)
        ]

    def _encoded(self, stored: NDArray[Any]) -> Encoded:
        data = self.modality.encode(self.modality.to_float(stored))
        return Encoded(data=data, stored=self.modality.decode(data))


def marking_of(wanted: str | None, modality: Modality, ledger: Ledger) -> Marking:
    """How outputs are marked: as somebody wants, and else by the quick mode where there is room.

    Args:
        wanted: `speed`, `quality` or `none`; None where nobody said.
        modality: what the outputs are.
        ledger: that they are released into.

    Raises:
        RequestError: there is no such mode, or a mark was asked for and there is no room for one.
    """
    if wanted not in {*WATERMARKS, None}:
        raise RequestError(f"watermark is {wanted!r}; choose {', '.join(WATERMARKS)}")
    if wanted == "none":
        told = "They carry no mark in their pixels, as was asked (watermark none)."
        return Marking(modality=modality, ledger=ledger, mode=None, missed=[told])
    problem = _problem(modality)
    if problem is not None and wanted is not None:
        raise RequestError(f"no mark can be written: {problem}; ask for watermark none")
    if problem is not None:
        told = f"They carry no mark in their pixels: {problem}."
        return Marking(modality=modality, ledger=ledger, mode=None, missed=[told])
    mode: Mode = "quality" if wanted == "quality" else "speed"
    return Marking(modality=modality, ledger=ledger, mode=mode)


def marked_again(stored: NDArray[Any], record: WatermarkRecord) -> NDArray[Any]:
    """The same mark in the same picture.

    Args:
        stored: (*dimensions), without the mark, as its kind of data stores it.
        record: what was signed of the mark.

    Raises:
        InputError: no such mark can be written, so that the record is made up.
    """
    from safegen.marks.embed import embed

    if design_for(*stored.shape[-2:]).algorithm != record.algorithm:
        raise InputError(f"{record.algorithm} is not how pictures of this size are marked")
    again: NDArray[Any] = embed(
        np.array(stored)[None], [record.id], key=record.key, psnr=record.strength, mode=record.mode
    )[0]
    return again


def _problem(modality: Modality) -> str | None:
    """Why no mark can be written into such outputs; None when one can."""
    if not isinstance(modality.shape, PictureShape):
        return f"only pictures are marked, and these are {modality.many}"
    try:
        design_for(modality.shape.height, modality.shape.width)
    except InputError as error:
        return str(error)
    return None


def _psnr(plain: NDArray[Any], marked: NDArray[Any]) -> float:
    error = float(np.mean((plain.astype(np.float64) - marked) ** 2))
    return round(20 * np.log10(PEAK) - 10 * np.log10(error), 2) if error else 99.0
