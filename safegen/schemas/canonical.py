"""One byte form for every record, and one digest of it (RFC 8785, JSON Canonicalization Scheme)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import rfc8785
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = "\\u0000"  # how JSON writes a NUL


class Record(BaseModel):
    """A frozen value: unknown fields, NaN and infinity are refused, so that it can be signed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def canonical_bytes(record: Record) -> bytes:
    """The bytes that are hashed and signed.

    Two equal records give the same bytes, on any machine and in any language with RFC 8785:

    >>> class Point(Record):
    ...     y: float
    ...     x: float
    >>> canonical_bytes(Point(y=2.0, x=0.5))
    b'{"x":0.5,"y":2}'
    """
    return join_fields(canonical_fields(record))


def canonical_fields(record: Record) -> dict[str, bytes]:
    """The canonical bytes of each field by its name, so that parts and whole cost one writing."""
    fields = _quickly(record.model_dump_json())
    if fields is None:
        said = record.model_dump(mode="json")
        fields = {name: rfc8785.dumps(value) for name, value in said.items()}
    return fields


def join_fields(fields: Mapping[str, bytes]) -> bytes:
    """The canonical bytes of a record from those of its fields.

    >>> join_fields({"y": b"2", "x": b"0.5"})
    b'{"x":0.5,"y":2}'
    """
    names = sorted(fields, key=lambda name: name.encode("utf-16-be"))
    return b"{%s}" % b",".join(b"%s:%s" % (rfc8785.dumps(name), fields[name]) for name in names)


def sha256(data: bytes) -> str:
    """A digest with its algorithm in front.

    >>> sha256(b"")
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest(record: Record) -> str:
    """The digest of a record's canonical bytes."""
    return sha256(canonical_bytes(record))


def _quickly(text: str) -> dict[str, bytes] | None:
    """The canonical form of pydantic's JSON text by the standard library, several times faster.

    Numbers with a point are passed through as text between two NULs, so that none is read and
    written anew. What the standard library would do otherwise is left to rfc8785, which is also
    the oracle in the tests: letters outside ASCII, integers too long for JavaScript, a NUL in the
    text itself.
    """
    if not text.isascii() or _MARK in text:
        return None
    try:
        value = json.loads(text, parse_float=_number, parse_int=_integer)
    except OverflowError:
        return None
    return {name: _written(each) for name, each in value.items()}


def _integer(text: str) -> int:
    if len(text) > 15:
        raise OverflowError
    return int(text)


def _number(text: str) -> str:
    """A number as RFC 8785 writes it, between marks; pydantic writes most of them like that."""
    if "e" in text or text[-2:] == ".0":
        text = rfc8785.dumps(float(text)).decode()
    return f"\0{text}\0"


def _written(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace(f'"{_MARK}', "").replace(f'{_MARK}"', "").encode()
