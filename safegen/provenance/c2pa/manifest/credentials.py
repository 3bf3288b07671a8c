"""The certificates that a manifest was signed with: the header `x5chain` of its COSE signature.

C2PA's SDK tells their names and nothing more. So they are read from the manifest store itself:

    c2pa                              a JUMBF box of boxes (ISO 19566-5)
      urn:c2pa:...                    a manifest, by its label
        c2pa.signature                COSE_Sign1 (RFC 9052), in CBOR (RFC 8949):
          18([protected, unprotected, nil, signature])

Whether the signature holds is the SDK's word; here nothing is checked, and nothing trusted.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

from safegen.provenance.keys.pem import parsed_der

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

SIGNATURE = b"c2pa.signature"
X5CHAIN = (33, "x5chain")  # RFC 9360; C2PA 1 spelled it out
MAX_CBOR_DEPTH = 16  # CBOR items inside one another

Cbor: TypeAlias = "int | bytes | str | list[Cbor] | dict[int | str, Cbor] | None"


def certificates_in(store: bytes, label: str) -> tuple[x509.Certificate, ...]:
    """The certificates that one manifest shows, leaf first.

    Args:
        store: a manifest store, as it stands in a file.
        label: of the manifest.

    Raises:
        ValueError: it shows none, or several chains, or they cannot be read.
    """
    for manifest in _boxes(store, 8, len(store)):
        if _label(manifest) == label.encode():
            for part in _boxes(manifest, 8, len(manifest)):
                if _label(part) == SIGNATURE:
                    return _loaded(_chain(_content(part)))
    raise ValueError(f"no signature of {label} was found")


@functools.lru_cache(maxsize=64)  # a folder's files mostly share their signer
def _loaded(chain: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    return parsed_der(chain)


def _chain(cose: bytes) -> tuple[bytes, ...]:
    message = _decoded(cose)
    if not isinstance(message, list) or len(message) != 4:
        raise ValueError("it is no COSE_Sign1")
    protected, unprotected = message[:2]
    headers = [_decoded(protected) if isinstance(protected, bytes) else None, unprotected]
    found = [
        header[key]
        for header in headers
        if isinstance(header, dict)
        for key in X5CHAIN
        if key in header
    ]
    if len(found) != 1:
        raise ValueError("it has no chain of certificates, or several")
    chain = found[0] if isinstance(found[0], list) else [found[0]]
    if not chain or not all(isinstance(each, bytes) for each in chain):
        raise ValueError("its chain of certificates is empty, or holds something else")
    return tuple(each for each in chain if isinstance(each, bytes))


def _boxes(data: bytes, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        length = int.from_bytes(data[at : at + 4], "big")
        if not 8 <= length <= end - at:
            raise ValueError("a box is longer than what it stands in")
        yield data[at : at + length]
        at += length


def _label(superbox: bytes) -> bytes:
    """What a box of boxes is called; its description comes first, after 16 bytes of its kind."""
    if superbox[4:8] != b"jumb":
        return b""
    description = next(_boxes(superbox, 8, len(superbox)), b"")
    return description[25:].partition(b"\0")[0]


def _content(superbox: bytes) -> bytes:
    """The one box beside the description."""
    return [*_boxes(superbox, 8, len(superbox))][1][8:]


def _decoded(data: bytes) -> Cbor:
    try:
        return _item(data, 0, 0)[0]
    except IndexError:
        raise ValueError("its CBOR is cut short") from None


def _item(data: bytes, at: int, depth: int) -> tuple[Cbor, int]:
    """One item of CBOR, and where the next begins.

    Lengths stand in front, as RFC 8949, section 4.2, has it and C2PA asks for.
    """
    kind, short = data[at] >> 5, data[at] & 31
    if depth > MAX_CBOR_DEPTH or short > 27:
        raise ValueError("its CBOR is of an unusual form")
    size = 0 if short < 24 else 1 << (short - 24)
    number = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else short
    at += 1 + size
    if kind in {4, 5}:
        return _items(data, at, number, depth, pairs=kind == 5)
    if kind == 6:  # a tag: its content counts
        return _item(data, at, depth + 1)
    if kind in {2, 3}:
        content = data[at : at + number]
        if len(content) < number:
            raise IndexError
        return content if kind == 2 else content.decode(), at + number
    return number if kind == 0 else -1 - number if kind == 1 else None, at


def _items(data: bytes, at: int, number: int, depth: int, *, pairs: bool) -> tuple[Cbor, int]:
    """A list, or a map with keys that are numbers or text."""
    found: list[Cbor] = []
    for _ in range(2 * number if pairs else number):
        value, at = _item(data, at, depth + 1)
        found.append(value)
    if not pairs:
        return found, at
    keys = [key for key in found[::2] if isinstance(key, int | str)]
    if len(set(keys)) < number:
        raise ValueError("a key of its CBOR is there twice, or is neither a number nor a text")
    return dict(zip(keys, found[1::2], strict=True)), at
