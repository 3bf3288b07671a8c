"""A manifest in the file and another beside it: which of the two speaks for it as it is."""

import io

import c2pa
import pytest

import safegen
from safegen.errors import DataError, InputError
from safegen.pipeline.sign import sign
from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.media.kinds import kind_of

TYPES = {
    "video/x-msvideo": "avi",
    "image/svg+xml": "svg",
    "image/heic": "heic",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "image/jxl": "jxl",
    "audio/mp4": "m4a",
    "video/quicktime": "mov",
    "application/zip": "zip",
}


def claim(mime):
    return claims.created_claim(
        title="x", mime=mime, source_type=claims.SOURCE_TYPES["digital-creation"]
    )


@pytest.fixture
def own(made, tmp_path):
    return {"keys": made.keys, "ledger": tmp_path / "ledger.db"}


@pytest.fixture
def carrying(covered, signer, tmp_path):
    """A file that carries a manifest, as another tool puts it in."""

    def carrying(mime):
        kind = "application/x-zip" if mime == "application/zip" else mime
        data, _ = manifest.sign(covered[mime], claim(kind), signer)
        path = tmp_path / f"file.{TYPES[mime]}"
        path.write_bytes(data)
        return path

    return carrying


@pytest.mark.parametrize("mime", TYPES)
def test_an_older_one_inside_and_a_newer_one_beside(made, own, carrying, mime):
    path = carrying(mime)
    assert safegen.verify(path, trust=made.root).manifest_beside is None
    signed = sign(path, **own)
    assert signed.manifest.ingredients[0].relationship == "parentOf"
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state == "trusted"
    assert verdict.manifest_beside == f"{path}.c2pa"
    (note,) = verdict.notes
    assert note.startswith("It also carries an older manifest, signed by ")
    assert note.endswith("holds, too.")
    again = sign(path, **own)  # the history goes on from the newer one
    assert again.manifest.ingredients[0].ingredients[0].relationship == "parentOf"
    assert safegen.verify(path, trust=made.root).state == "trusted"


@pytest.mark.parametrize("mime", TYPES)
def test_an_older_one_inside_that_an_edit_broke(made, own, carrying, tmp_path, mime):
    path = carrying(mime)
    edited = tmp_path / "edited" / path.name
    edited.parent.mkdir()
    edited.write_bytes(broken(path.read_bytes(), mime, 1))
    assert safegen.verify(edited, trust=made.root).state == "invalid"
    sign(edited, parent=path, **own)
    verdict = safegen.verify(edited, trust=made.root)
    assert verdict.state == "trusted"
    assert verdict.manifest_beside == f"{edited}.c2pa"
    assert verdict.notes[0].endswith("does not hold for it as it is now.")
    edited.write_bytes(broken(path.read_bytes(), mime, 2))  # neither binds it now
    assert safegen.verify(edited, trust=made.root).state == "invalid"


def broken(data, mime, bit):
    """The same with other content, and the manifest that it carries as it was."""
    marks = {
        "application/zip": b"words",
        "image/svg+xml": b"width=",
        "video/x-msvideo": bytes(range(64)),
        "image/heic": b"some media",
        "audio/mp4": b"some media",
        "video/quicktime": b"some media",
    }
    at = data.index(marks[mime]) if mime in marks else len(data) - 1
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def test_a_pdf_that_carries_a_manifest_which_does_not_hold(made, own, covered, pdf_with, tmp_path):
    """The reader can read those of a PDF and write none."""
    mime, path = "application/pdf", tmp_path / "paper.pdf"
    before, _ = manifest.sign_beside(covered[mime], claim(mime), open_signer(made.keys))
    path.write_bytes(pdf_with(before))
    assert safegen.verify(path, trust=made.root).state == "invalid"
    (tmp_path / "before.pdf").write_bytes(covered[mime])
    (tmp_path / "before.pdf.c2pa").write_bytes(before)
    sign(path, parent=tmp_path / "before.pdf", **own)
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state == "trusted"
    assert verdict.notes[0].endswith("does not hold for it as it is now.")
    path.write_bytes(path.read_bytes() + b"%")
    assert safegen.verify(path, trust=made.root).state == "invalid"


@pytest.mark.parametrize("mime", ["image/png", "video/x-msvideo"])
def test_an_older_one_beside_a_newer_one_inside(made, media, covered, signer, tmp_path, mime):
    data = {**media, **covered}[mime]
    path = tmp_path / f"file.{kind_of(data).rpartition('/')[2]}"
    path.with_name(f"{path.name}.c2pa").write_bytes(
        manifest.sign_beside(data, claim(mime), signer)[0]
    )
    path.write_bytes(data)
    assert safegen.verify(path, trust=made.root).manifest_beside is not None
    path.write_bytes(manifest.sign(data, claim(mime), signer)[0])
    verdict = safegen.verify(path, trust=made.root)
    assert (verdict.state, verdict.manifest_beside) == ("trusted", None)
    assert verdict.notes[0].startswith(f"The manifest {path.name}.c2pa beside it, signed by ")
    assert verdict.notes[0].endswith("is of another file, or of this one as it was before.")
    path.with_name(f"{path.name}.c2pa").write_bytes(b"words")  # tells nothing, and harms nothing
    assert safegen.verify(path, trust=made.root).state == "trusted"


def test_one_beside_that_binds_a_picture_whose_own_is_broken(made, media, signer, tmp_path):
    mime, path = "image/png", tmp_path / "file.png"
    data = manifest.sign(media[mime], claim(mime), signer)[0]
    at = data.index(b"jumb") + 40
    path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    alone = safegen.verify(path, trust=made.root).state
    assert alone in {"invalid", "unreadable"}
    store, _ = manifest.sign_beside(path.read_bytes(), claim(mime), signer)
    path.with_name("file.png.c2pa").write_bytes(store)
    assert safegen.verify(path, trust=made.root).state == "trusted"
    path.write_bytes(path.read_bytes() + b"x")
    assert safegen.verify(path, trust=made.root).state == alone


@pytest.fixture
def elsewhere(media, tmp_path):
    """A picture that only names an address of its manifest; and what should lie there."""

    def elsewhere(signer):
        settings = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False}}
        builder = c2pa.Builder(
            {
                "claim_generator_info": [{"name": "test", "version": "1"}],
                "assertions": list(claim("image/png").assertions),
            },
            c2pa.Context.from_dict(settings),
        )
        builder.set_no_embed()
        builder.set_remote_url("http://manifests.example/file.c2pa")
        target = io.BytesIO()
        chosen = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(
                alg=signer.algorithm.encode(),
                sign_cert=signer.chain,
                private_key=signer.key_pem,
                ta_url=None,
            )
        )
        store = builder.sign(chosen, "image/png", io.BytesIO(media["image/png"]), target)
        path = tmp_path / "file.png"
        path.write_bytes(target.getvalue())
        return path, bytes(store)

    return elsewhere


def test_a_manifest_at_an_address_that_lies_beside_the_file(made, own, elsewhere, signer):
    path, store = elsewhere(signer)
    verdict = safegen.verify(path, trust=made.root)
    assert verdict.state == "unreadable"
    assert verdict.findings[0].codes == ("safegen.manifest.remote",)
    assert verdict.text == (
        "Its manifest lies at http://manifests.example/file.c2pa, and nothing is fetched from "
        "there."
    )
    with pytest.raises(
        InputError, match=r"fetch that, and lay it beside the file as file\.png\.c2"
    ):
        sign(path, **own)
    path.with_name("file.png.c2pa").write_bytes(store)
    assert safegen.verify(path, trust=made.root).state == "trusted"
    signed = sign(path, **own)
    assert signed.sidecar is None
    assert signed.manifest.ingredients[0].relationship == "parentOf"


def test_a_manifest_of_another_file_beside_one_that_names_an_address(made, elsewhere, signer):
    path, _ = elsewhere(signer)
    other, _ = manifest.sign_beside(b"words", claim("text/plain"), signer)
    path.with_name("file.png.c2pa").write_bytes(other)
    assert safegen.verify(path, trust=made.root).findings[1].codes[0] == "safegen.integrity.beside"


def test_a_film_padded_with_zeros_is_signed_beside(made, own, covered, tmp_path):
    """A length in it reaches beyond the file or its parts; no matter, every byte is bound."""
    path = tmp_path / "padded.avi"
    path.write_bytes(covered["video/x-msvideo"] + bytes(513))
    sign(path, source="photograph", **own)
    assert safegen.verify(path, trust=made.root).state == "trusted"
    for data in (path.read_bytes() + b"\0", path.read_bytes()[:-1]):
        path.write_bytes(data)
        assert safegen.verify(path, trust=made.root).state == "invalid"


def test_nothing_is_signed_whose_manifest_beside_it_is_broken(own, covered, tmp_path):
    path = tmp_path / "file.avi"
    path.write_bytes(covered["video/x-msvideo"])
    path.with_name("file.avi.c2pa").write_bytes(b"words")
    with pytest.raises(DataError, match=r"the manifest beside it, file\.avi\.c2pa, is broken"):
        sign(path, source="photograph", **own)
