"""What cannot be read is told in our words, whatever the SDK says of its own parts."""

import random
import re

import pytest

from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.c2pa.unreadable import why
from safegen.provenance.media import formats

JARGON = re.compile(
    r"(?i)jum[bd]|cbor|superbox|cose|xref|bmff|serde|field|syntax|utf|expected|0x|\.\."
)


def broken(data, chance):
    """A copy that was cut off, or has some bits flipped."""
    if chance.random() < 0.3:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(chance.choice([1, 4, 40])):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("mime", [*formats.EMBEDDABLE_TYPES, "image/svg+xml", "video/x-msvideo"])
def test_no_word_of_the_sdk_comes_through(media, covered, signer, mime):
    source = claims.SOURCE_TYPES["digital-creation"]
    claim = claims.created_claim(title="x", mime=mime, source_type=source)
    signed, _ = manifest.sign({**media, **covered}[mime], claim, signer)
    chance = random.Random(0)
    told = {why_not(broken(signed, chance), mime) for _ in range(150)} - {""}
    assert len(told) > 2
    assert not [text for text in told if JARGON.search(text) or len(text) > 120]


def why_not(data, mime):
    try:
        manifest.read(data, mime)
    except manifest.UnreadableManifestError as error:
        return str(error)
    return ""


def test_what_nobody_has_seen_yet_is_told_too():
    assert why(RuntimeError("Gizmo: frobnicated at 0x12"), "image/png").startswith(
        "its manifest is"
    )
    assert why(RuntimeError(""), "image/png").startswith("its manifest is broken, or made in a way")
