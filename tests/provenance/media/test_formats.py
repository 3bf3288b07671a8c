"""Every promised format, signed and then read by ourselves and by a second implementation."""

import io
import wave

import numpy as np
import pytest
from PIL import Image, ImageSequence

from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.media import formats
from safegen.provenance.media.kinds import kind_of

encypher_c2pa = pytest.importorskip("encypher_c2pa")

BESIDE = ("image/bmp", "text/csv", "application/json", "application/octet-stream")


def claim(mime):
    return claims.created_claim(
        title="something", mime=mime, source_type=claims.SOURCE_TYPES["algorithmic"]
    )


def stranger(data, mime, made, beside=None):
    """What the second implementation finds: integrity, signature, hard binding, signer."""
    try:
        found = encypher_c2pa.verify(
            data, mime, manifest_store=beside, trust_pem=made.root.read_text(),
            no_default_trust=True, telemetry=False, online=False,
        )  # fmt: skip
    except ValueError:  # what is no file of its type any more
        return ()
    return (
        found["integrity"],
        found["signature"],
        found["hard_binding"],
        found["trust"]["status"],
    )


SOUND = ("valid", "valid", "match", "valid_for_supplied_material")


def content(data, mime):
    """What people see or hear of a file, decoded."""
    if mime == "audio/wav":
        with wave.open(io.BytesIO(data)) as sound:
            return sound.getparams(), sound.readframes(sound.getnframes())
    if mime == "video/mp4":
        return data[data.index(b"mdat") - 4 :][: 8 + 320], data[data.index(b"mvhd") :][:104]
    with Image.open(io.BytesIO(data)) as picture:
        frames = [np.asarray(frame).tolist() for frame in ImageSequence.Iterator(picture)]
        return picture.size, frames


def test_every_format_that_is_promised_is_tried(media):
    assert set(media) == set(formats.EMBEDDABLE_TYPES) | set(BESIDE)


@pytest.mark.parametrize("mime", formats.EMBEDDABLE_TYPES)
def test_a_file_that_carries_its_manifest(media, made, signer, mime):
    signed, found = manifest.sign(media[mime], claim(mime), signer)
    assert found.state == "Trusted"
    again = manifest.read(signed, mime, trust=trust_in(made.root.read_bytes()))
    assert (again.state, again.failures, again.trusted_by is not None) == ("Trusted", {}, True)
    assert stranger(signed, mime, made) == SOUND
    assert content(signed, mime) == content(media[mime], mime)


@pytest.mark.parametrize("mime", formats.EMBEDDABLE_TYPES)
def test_signing_again_changes_no_content_either(media, signer, mime):
    once, _ = manifest.sign(media[mime], claim(mime), signer)
    twice, _ = manifest.sign(once, claim(mime), signer)
    assert content(twice, mime) == content(media[mime], mime)


def test_every_page_of_a_tiff_is_there_though_another_follows(signer):
    """C2PA puts its manifest into a page without a picture, on which readers of all pages stop."""
    drawn = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    file = io.BytesIO()
    pages = [Image.fromarray(page) for page in drawn]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    signed, _ = manifest.sign(file.getvalue(), claim("image/tiff"), signer)
    with Image.open(io.BytesIO(signed)) as picture:
        for number, page in enumerate(drawn):
            picture.seek(number)
            assert np.array_equal(np.asarray(picture), page)


@pytest.mark.parametrize("mime", formats.EMBEDDABLE_TYPES)
def test_changed_content_is_found_by_both(media, made, signer, mime):
    signed, _ = manifest.sign(media[mime], claim(mime), signer)
    place = signed.index(media[mime][-40:-20])
    changed = bytearray(signed)
    changed[place + 5] ^= 1
    found = manifest.read(bytes(changed), mime, trust=trust_in(made.root.read_bytes()))
    assert found.state == "Invalid"
    assert stranger(bytes(changed), mime, made) != SOUND


@pytest.mark.parametrize("mime", BESIDE)
def test_a_file_whose_manifest_lies_beside_it(media, made, signer, mime):
    data = media[mime]
    store, found = manifest.sign_beside(data, claim(mime), signer)
    assert found.state == "Trusted"
    trust = trust_in(made.root.read_bytes())
    assert manifest.read(data, mime, trust=trust, beside=store).state == "Trusted"
    # A binding over the whole file means the same for any type; the judge wants one that it knows.
    assert stranger(data, "image/png", made, store) == SOUND
    changed = data.replace(data[-4:-3], bytes([data[-4] ^ 1]))
    assert manifest.read(changed, mime, trust=trust, beside=store).state == "Invalid"
    assert stranger(changed, "image/png", made, store) != SOUND


def test_every_type_that_c2pa_covers_can_have_it_beside(covered, made, signer):
    """By their own types the SDK would sign some of them so that nobody can read it back."""
    for mime, data in covered.items():
        store, found = manifest.sign_beside(data, claim(mime), signer)
        assert found.state == "Trusted"
        assert stranger(data, "image/png", made, store) == SOUND
        changed = data + b"\0"
        assert manifest.read(changed, mime, beside=store).state == "Invalid"
        assert stranger(changed, "image/png", made, store) != SOUND


@pytest.mark.parametrize("mime", ["image/png", "text/csv"])
def test_whoever_is_not_trusted_is_no_more_than_valid(media, signer, mime):
    sign = manifest.sign if formats.embeds(mime) else manifest.sign_beside
    made, _ = sign(media[mime], claim(mime), signer)
    data, beside = (made, None) if formats.embeds(mime) else (media[mime], made)
    assert manifest.read(data, mime, beside=beside).state == "Valid"


@pytest.mark.parametrize("mime", formats.EMBEDDABLE_TYPES)
def test_first_bytes_tell_more_than_a_name(media, mime):
    data = media[mime]
    assert kind_of(data) == mime
    for name in ("file", "file.csv", "file.PNG", "file.tiff", "file.mp4", "file.c2pa"):
        assert formats.mime_of(name, data) == mime


@pytest.mark.parametrize("mime", BESIDE)
def test_a_name_tells_where_bytes_do_not(media, mime):
    whole = media[mime]
    known = {"image/bmp": "image/bmp", "application/octet-stream": "application/zip"}  # an NPZ
    assert kind_of(whole) == known.get(mime)
    mime = known.get(mime, mime)
    suffix = {"image/bmp": "bmp", "text/csv": "csv", "application/json": "json"}.get(mime, "npz")
    assert formats.mime_of(f"deep/data.{suffix.upper()}", whole) == mime
    told = kind_of(whole) or "application/octet-stream"
    assert formats.mime_of("data.no-such-type", whole) == told


@pytest.mark.parametrize(
    ("major", "compatible", "mime"),
    [
        (b"avif", b"mif1", "image/avif"),
        (b"mif1", b"avif", "image/avif"),
        (b"mif1", b"heic", "image/heic"),
        (b"heic", b"mif1", "image/heic"),
        (b"qt  ", b"qt  ", "video/quicktime"),
        (b"M4A ", b"isom", "audio/mp4"),
        (b"isom", b"mp41", "video/mp4"),
        (b"iso6", b"dash", "video/mp4"),
    ],
)
def test_iso_files_are_told_apart_by_their_brands(major, compatible, mime):
    head = (20).to_bytes(4, "big") + b"ftyp" + major + bytes(4) + compatible
    assert kind_of(head + b"avifavifavif") == mime
    assert formats.embeds(mime) == (mime in {"image/avif", "video/mp4"})


@pytest.mark.parametrize("head", [b"", b"R", b"RIFF", b"RIFF0000AVI", b"\x89PN", b"II", b"GIF86a"])
def test_too_little_tells_nothing(head):
    assert kind_of(head) is None


@pytest.mark.parametrize("mime", [*formats.EMBEDDABLE_TYPES, *BESIDE])
def test_nothing_at_all_cannot_be_signed(signer, mime):
    from safegen.errors import DataError

    sign = manifest.sign if formats.embeds(mime) else manifest.sign_beside
    with pytest.raises(DataError, match="no manifest can be put into this"):
        sign(b"", claim(mime), signer)
