"""Manifests that C2PA's reader raises over, although C2PA has a code for what is wrong."""

import struct
import zlib

import pytest

import safegen
from safegen.errors import DataError
from safegen.provenance.keys import pki

ACTIONS, HASH = b"c2pa.actions.v2", b"c2pa.hash.data"


def boxes(box):
    """What a JUMBF box of boxes holds."""
    at, found = 8, []
    while at < len(box):
        length = int.from_bytes(box[at : at + 4], "big")
        found.append(box[at : at + length])
        at += length
    return found


def joined(parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), b"jumb") + body


def edited(png, change, *, manifest=-1):
    """The picture with other assertions in one manifest of its store."""
    start = png.index(b"caBX") - 4
    (length,) = struct.unpack_from(">I", png, start)
    store = boxes(png[start + 8 : start + 8 + length])
    parts = boxes(store[manifest])
    where = next(n for n, part in enumerate(parts) if b"c2pa.assertions" in part[:60])
    parts[where] = joined(change(boxes(parts[where])))
    store[manifest] = joined(parts)
    body = b"caBX" + joined(store)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:start] + chunk + png[start + 12 + length :]


def added(assertions):
    extra = next(each for each in assertions[1:] if ACTIONS in each[:80])
    return [*assertions, extra.replace(ACTIONS, b"org.example.new", 1)]


def renamed(assertions):
    return [each.replace(ACTIONS, b"org.example.new", 1) for each in assertions]


def repeated(assertions):
    return [*assertions, assertions[-1]]


def unbound(assertions):
    return [each for each in assertions if HASH not in each[:80]]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (added, "assertion.undeclared"),
        (renamed, "assertion.undeclared"),
        (repeated, "assertion.undeclared"),
        (unbound, "claim.hardBindings.missing"),
    ],
)
def test_it_is_invalid_with_c2pas_code_and_a_reason(forge, change, code, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(edited(forge.signed(), change))
    verdict = safegen.verify(path, trust=forge.trust)
    assert verdict.state == "invalid"
    assert verdict.findings[0].codes == ("safegen.manifest.refused", code)
    assert verdict.text.startswith("Its manifest")
    pki.init(tmp_path / "keys")
    with pytest.raises(DataError, match="cannot be signed"):
        safegen.sign(path, keys=tmp_path / "keys", ledger=tmp_path / "ledger.db")


def test_so_is_a_statement_that_nobody_signed_in_an_ingredient(forge, tmp_path):
    png = forge.signed(ingredients=[("part.png", forge.signed())])
    path = tmp_path / "made.png"
    path.write_bytes(edited(png, added, manifest=1))  # the description is the first box
    verdict = safegen.verify(path, trust=forge.trust)
    assert (verdict.state, verdict.findings[0].codes[1]) == ("invalid", "assertion.undeclared")
    assert "something it was made from" in verdict.text


def test_edited_in_no_way_it_is_what_it_was(forge, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(edited(forge.signed(), list))
    assert safegen.verify(path, trust=forge.trust).state == "trusted"
