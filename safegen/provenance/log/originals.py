"""What is kept of released files, so that a stripped copy leads back to what was signed.

    originals   number, kept    manifests and receipts of rows in a row, the first being `number`
    manifests   label, number   which row has the manifest of that label

Outputs of one release say nearly the same, so they are packed together: a manifest and a receipt
take some 5 KB instead of 30. Nothing here is signed but what is kept itself.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.errors import TamperedError
from safegen.provenance.log import fingerprints, watermarks
from safegen.provenance.log.tables import Number, add_rows, as_bytes, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TOGETHER = 32  # rows in a pack: a search for one unpacks them all
QUICKLY = 1  # zlib's level: half as large again as the best, in a quarter of the time
LARGEST = 2**26  # bytes that a pack is believed to have
_COUNT, _HEAD = struct.Struct("<I"), struct.Struct("<QII")  # rows; number, two lengths

originals = sql.Table(
    "originals",
    tables,
    sql.Column("number", Number, primary_key=True, autoincrement=False),
    sql.Column("kept", sql.LargeBinary, nullable=False),
)


manifests = sql.Table(
    "manifests",
    tables,
    sql.Column("label", sql.String, primary_key=True),
    sql.Column("number", Number, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What is kept of one released file.

    Attributes:
        number: the row of its entry.
        code: its fingerprint, 8 bytes; None where its kind of data has none.
        label: of its manifest.
        manifest: its signed manifest store.
        receipt: its signed receipt, JSON.
        mark: the algorithm and the id of the mark in its pixels; None where it carries none.
    """

    number: int
    code: bytes | None
    label: str
    manifest: bytes = field(repr=False)
    receipt: bytes = field(repr=False)
    mark: tuple[str, int] | None = None


def keep(connection: sql.Connection, new: Sequence[Original]) -> None:
    """Keep what was released, and index the codes and marks by which it is found again.

    Raises:
        TamperedError: two outputs claim one mark.
    """
    fingerprints.add(
        connection, [(each.number, each.code) for each in new if each.code is not None]
    )
    watermarks.add(connection, [(*each.mark, each.number) for each in new if each.mark])
    rows = [{"number": part[0].number, "kept": _packed(part)} for part in _parts(new)]
    add_rows(connection, originals, rows)
    add_rows(connection, manifests, [{"label": each.label, "number": each.number} for each in new])


def kept(connection: sql.Connection, number: int) -> tuple[bytes, bytes] | None:
    """The manifest and the receipt that are kept of a row; None when none are.

    Raises:
        TamperedError: what is kept there was changed.
    """
    if not sql.inspect(connection).has_table(originals.name):
        return None
    query = sql.select(originals).where(originals.c.number <= number)
    row = connection.execute(query.order_by(originals.c.number.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    try:
        return _unpacked(as_bytes(row.kept)).get(number)
    except (zlib.error, struct.error, ValueError) as error:
        raise TamperedError(f"what the ledger keeps of row {number} was changed") from error


def row_of(connection: sql.Connection, label: str) -> int | None:
    """The row whose manifest has that label; None when none has."""
    if not sql.inspect(connection).has_table(manifests.name):
        return None
    query = sql.select(manifests.c.number).where(manifests.c.label == label)
    found: int | None = connection.execute(query).scalar()
    return found


def _parts(new: Sequence[Original]) -> Iterator[Sequence[Original]]:
    """What is packed together: rows without a gap, so that none is ever put between them later."""
    start = 0
    for end in range(1, len(new) + 1):
        whole = end - start == TOGETHER or end == len(new)
        if whole or new[end].number != new[end - 1].number + 1:
            yield new[start:end]
            start = end


def _packed(part: Sequence[Original]) -> bytes:
    """Manifests side by side, then receipts: each is packed by its likeness to the one before."""
    heads = [_HEAD.pack(each.number, len(each.manifest), len(each.receipt)) for each in part]
    manifests, receipts = (each.manifest for each in part), (each.receipt for each in part)
    return zlib.compress(b"".join((_COUNT.pack(len(part)), *heads, *manifests, *receipts)), QUICKLY)


def _unpacked(data: bytes) -> dict[int, tuple[bytes, bytes]]:
    unpacking = zlib.decompressobj()
    whole = unpacking.decompress(data, LARGEST)
    if not unpacking.eof:
        raise ValueError("too large, or cut off")
    (count,) = _COUNT.unpack_from(whole)
    if count > TOGETHER:
        raise ValueError("more rows than are packed together")
    heads = [_HEAD.unpack_from(whole, _COUNT.size + place * _HEAD.size) for place in range(count)]
    at = _COUNT.size + count * _HEAD.size
    manifests = list(_cut(whole, at, [head[1] for head in heads]))
    at += sum(head[1] for head in heads)
    receipts = list(_cut(whole, at, [head[2] for head in heads]))
    numbers = (head[0] for head in heads)
    return dict(zip(numbers, zip(manifests, receipts, strict=True), strict=True))


def _cut(whole: bytes, at: int, lengths: Iterable[int]) -> Iterable[bytes]:
    for length in lengths:
        yield whole[at : at + length]
        at += length
