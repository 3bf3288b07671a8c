"""A file of one's own, signed: its history is kept, and nothing is lost whatever goes wrong."""

import errno
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from safegen import storage
from safegen.errors import (
    DataError,
    InputError,
    KeyMaterialError,
    SafegenError,
    StorageError,
    TimeStampError,
)
from safegen.pipeline.sign import sign
from safegen.provenance.c2pa import history, manifest, sidecar
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import sha256

encypher_c2pa = pytest.importorskip("encypher_c2pa")


@pytest.fixture
def own(made, tmp_path):
    """What every signing here uses."""
    return {"keys": made.keys, "ledger": tmp_path / "ledger.db"}


@pytest.fixture
def output(made, tmp_path):
    """A copy of a released output, free to be signed on."""
    path = tmp_path / "work" / "0001.png"
    path.parent.mkdir()
    path.write_bytes((made.outputs / "0001.png").read_bytes())
    return path


@pytest.fixture
def put(tmp_path, media):
    """Write a sample file into an otherwise empty folder."""

    def write(mime, name):
        path = tmp_path / "work" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(media[mime])
        return path

    return write


def read(path, made, mime="image/png", beside=None):
    trust = trust_in(made.root.read_bytes())
    return manifest.read(path.read_bytes(), mime, trust=trust, beside=beside)


def resaved(path, target):
    """What an editor makes of it: the same picture, its manifest lost."""
    with Image.open(path) as picture:
        Image.fromarray(np.asarray(picture)).save(target)
    return target


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def logged(own):
    return len(Ledger(own["ledger"])) if own["ledger"].exists() else 0


def test_the_history_in_a_file_becomes_its_parent(output, own, made):
    before, label = output.read_bytes(), read(output, made).label
    signed = sign(output, **own)
    assert (signed.path, signed.sidecar, signed.unstamped) == (output, None, None)
    found = read(output, made)
    (parent,) = found.ingredients
    assert (found.state, found.broken_ingredients) == ("Trusted", {})
    assert (parent.relationship, parent.manifest, parent.state) == ("parentOf", label, "sound")
    (model,) = parent.ingredients
    assert (model.relationship, model.title) == ("inputTo", "digits-vae")
    opened, edited = found.assertions["c2pa.actions.v2"]["actions"]
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"].endswith("/humanEdits")
    assert output.read_bytes() != before
    (entry, _) = Ledger(own["ledger"]).find(sha256(output.read_bytes()))
    assert entry.kind == "edited"


def test_a_second_implementation_sees_the_history_too(output, own, made):
    sign(output, **own)
    found = encypher_c2pa.verify(
        output.read_bytes(), "image/png", trust_pem=made.root.read_text(),
        no_default_trust=True, telemetry=False, online=False,
    )  # fmt: skip
    assert found["validation_state"] == "Trusted"
    assert (found["integrity"], found["hard_binding"]) == ("valid", "match")


def test_history_grows_with_every_signing(output, own, made):
    for _ in range(3):
        sign(output, **own)
    item, depth = read(output, made), 0
    while item.ingredients:
        (item,) = item.ingredients
        depth += 1
    assert depth == 5  # three parents and, below them, the model and its data set's card
    assert read(output, made).state == "Trusted"


def test_a_history_that_editing_lost_is_named(output, own, made):
    edited = resaved(output, output.with_name("edited.png"))
    sign(edited, parent=output, source="algorithm", **own)
    found = read(edited, made)
    (parent,) = found.ingredients
    assert (parent.title, parent.relationship) == ("0001.png", "parentOf")
    action = found.assertions["c2pa.actions.v2"]["actions"][1]
    assert action["digitalSourceType"].endswith("/algorithmicallyEnhanced")
    assert read(output, made).state == "Trusted"


def test_a_parent_of_another_format(output, own, made):
    edited = output.with_name("edited.jpg")
    with Image.open(output) as picture:
        picture.convert("RGB").save(edited)
    sign(edited, parent=output, **own)
    found = read(edited, made, "image/jpeg")
    assert found.state == "Trusted"
    assert found.ingredients[0].state == "sound"


def test_a_table_signed_twice_keeps_its_first_manifest(put, own, made):
    rows = put("text/csv", "rows.csv")
    data = rows.read_bytes()
    first = sign(rows, source="model-data", **own)
    assert first.sidecar == rows.with_name("rows.csv.c2pa")
    label = first.manifest.label
    second = sign(rows, **own)
    assert rows.read_bytes() == data
    (parent,) = second.manifest.ingredients
    assert (parent.manifest, parent.relationship, parent.state) == (label, "parentOf", "sound")
    store = second.sidecar.read_bytes()
    assert read(rows, made, "text/csv", store).state == "Trusted"
    found = encypher_c2pa.verify(
        data, "image/png", manifest_store=store, trust_pem=made.root.read_text(),
        no_default_trust=True, telemetry=False, online=False,
    )  # fmt: skip
    assert found["validation_state"] == "Trusted"
    assert names(rows) == ["rows.csv", "rows.csv.c2pa"]


def test_a_table_made_from_a_signed_one(put, own, made):
    rows, fewer = put("text/csv", "rows.csv"), put("text/csv", "fewer.csv")
    label = sign(rows, source="model-data", **own).manifest.label
    fewer.write_bytes(rows.read_bytes()[:-9])
    made_from = sign(fewer, parent=rows, **own).manifest.ingredients[0]
    assert (made_from.manifest, made_from.title) == (label, "rows.csv")


def test_a_pictures_history_may_lie_beside_it(put, own, made, signer):
    """Other tools write one there also for types that could carry it."""
    from safegen.provenance.c2pa import claims

    picture = put("image/png", "picture.png")
    claim = claims.created_claim(
        title="picture.png", mime="image/png", source_type=claims.SOURCE_TYPES["photograph"]
    )
    store, first = manifest.sign_beside(picture.read_bytes(), claim, signer)
    sidecar.beside(picture).write_bytes(store)
    signed = sign(picture, **own)
    assert signed.sidecar is None
    assert signed.manifest.ingredients[0].manifest == first.label
    assert read(picture, made).state == "Trusted"


def test_without_a_history_somebody_must_say_how_it_came_to_be(put, own, made):
    picture = put("image/jpeg", "photo.jpg")
    before = picture.read_bytes()
    with pytest.raises(InputError, match=r"has no manifest.*--source.*photograph.*--parent"):
        sign(picture, **own)
    with pytest.raises(InputError, match="no source 'camera'; choose human-edits"):
        sign(picture, source="camera", **own)
    assert picture.read_bytes() == before
    sign(picture, source="photograph", **own)
    found = read(picture, made, "image/jpeg")
    assert (found.state, found.ingredients) == ("Trusted", ())
    (action,) = found.assertions["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/digitalCapture")


# Histories that do not hold.


def test_a_history_that_does_not_hold_is_refused_with_the_way_out(output, own, made):
    from safegen.cli.tamper import with_one_bit_changed

    original = output.with_name("original.png")
    original.write_bytes(output.read_bytes())
    output.write_bytes(with_one_bit_changed(output.read_bytes()))
    before = output.read_bytes()
    with pytest.raises(InputError, match=r"0001\.png does not hold .*--parent"):
        sign(output, **own)
    assert output.read_bytes() == before
    assert logged(own) == 0
    sign(output, parent=original, **own)
    found = read(output, made)
    assert (found.state, found.ingredients[0].title) == ("Trusted", "original.png")


def test_a_table_that_was_changed_after_it_was_signed(put, own):
    rows = put("text/csv", "rows.csv")
    sign(rows, source="model-data", **own)
    rows.write_bytes(rows.read_bytes() + b"1,2\n")
    with pytest.raises(InputError, match=r"rows\.csv\.c2pa does not hold"):
        sign(rows, **own)
    with pytest.raises(InputError, match=r"rows\.csv\.c2pa does not hold"):
        sign(rows, source="model-data", **own)


def test_a_broken_parent_is_refused_too(output, own):
    from safegen.cli.tamper import with_one_bit_changed

    edited = resaved(output, output.with_name("edited.png"))
    output.write_bytes(with_one_bit_changed(output.read_bytes()))
    with pytest.raises(InputError, match=r"0001\.png does not hold .*intact original"):
        sign(edited, parent=output, **own)


def test_a_parent_without_a_manifest_or_beside_a_sound_history(put, output, own):
    plain, edited = put("image/png", "plain.png"), resaved(output, output.with_name("edited.png"))
    with pytest.raises(InputError, match=r"plain\.png has no manifest to carry on"):
        sign(edited, parent=plain, **own)
    with pytest.raises(InputError, match=r"0001\.png has a manifest of its own"):
        sign(output, parent=output, **own)


def test_a_manifest_that_cannot_be_read(put, own):
    rows = put("text/csv", "rows.csv")
    sidecar.beside(rows).write_bytes(b"junk")
    with pytest.raises(
        DataError, match=r"beside it, rows\.csv\.c2pa, is broken.*; use an intact copy"
    ):
        sign(rows, source="model-data", **own)
    assert sidecar.beside(rows).read_bytes() == b"junk"


def test_a_broken_ingredient_is_no_history(shared_data, tmp_path, own):
    picture = tmp_path / "picture.jpg"
    picture.write_bytes((shared_data / "c2pa" / "adobe-20220124-CIE-sig-CA.jpg").read_bytes())
    with pytest.raises(InputError, match="does not hold"):
        sign(picture, **own)


# Where it is written.


def test_out_leaves_the_file_as_it_was(output, own, made):
    before = output.read_bytes()
    target = output.parent / "deep" / "signed.png"
    signed = sign(output, out=target, **own)
    assert (signed.path, output.read_bytes()) == (target, before)
    assert read(target, made).state == "Trusted"
    assert read(target, made).ingredients[0].title == "0001.png"


def test_out_of_a_table_is_a_whole_pair(put, own, made):
    rows = put("text/csv", "rows.csv")
    signed = sign(rows, out=rows.parent / "out" / "rows.csv", source="model-data", **own)
    assert names(signed.path) == ["rows.csv", "rows.csv.c2pa"]
    assert signed.path.read_bytes() == rows.read_bytes()
    assert names(rows) == ["out", "rows.csv"]


def test_a_released_output_stays_beside_its_receipt(output, own, made):
    """Signed in its place, it would be a file that its receipt does not speak of."""
    receipt = output.with_name("0001.receipt.json")
    receipt.write_bytes((made.outputs / receipt.name).read_bytes())
    before = output.read_bytes()
    with pytest.raises(StorageError, match=r"0001\.receipt\.json is about .*0001\.png as it was"):
        sign(output, **own)
    with pytest.raises(StorageError, match="name another folder with --out"):
        sign(output, out=output.with_name("0001.jpg"), **own)
    assert (output.read_bytes(), logged(own)) == (before, 0)
    signed = sign(output, out=output.parent / "edited" / "0001.png", **own)
    assert signed.manifest.ingredients[0].title == "0001.png"


def test_nothing_else_is_ever_written_over(put, output, own):
    taken = put("image/png", "taken.png")
    before = taken.read_bytes()
    with pytest.raises(StorageError, match=r"taken\.png is there already; name a new file"):
        sign(output, out=taken, **own)
    assert taken.read_bytes() == before
    rows = put("text/csv", "rows.csv")
    sidecar.beside(rows.with_name("new.csv")).write_bytes(b"somebody's")
    with pytest.raises(StorageError, match=r"new\.csv\.c2pa is there already"):
        sign(rows, out=rows.with_name("new.csv"), source="model-data", **own)
    sidecar.beside(rows).mkdir()
    with pytest.raises(StorageError, match=r"rows\.csv\.c2pa is there already"):
        sign(rows, source="model-data", **own)
    assert logged(own) == 0


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o640])
def test_who_may_read_a_file_stays_as_it_was(put, own, mode):
    picture, rows = put("image/png", "picture.png"), put("text/csv", "rows.csv")
    for path in (picture, rows):
        path.chmod(mode)
        sign(path, source="model", **own)
        assert path.stat().st_mode & 0o777 == mode
    assert sidecar.beside(rows).stat().st_mode & 0o777 == mode


def test_a_link_is_followed_and_stays(output, own, made, tmp_path):
    link = tmp_path / "latest.png"
    link.symlink_to(output)
    signed = sign(link, **own)
    assert signed.path == output
    assert link.is_symlink()
    assert read(output, made).ingredients


def test_a_linked_tables_manifest_lies_beside_the_table(put, own, tmp_path):
    rows = put("text/csv", "rows.csv")
    link = tmp_path / "latest.csv"
    link.symlink_to(rows)
    sign(link, source="model-data", **own)
    assert sidecar.find(link, rows.read_bytes())[0] == sidecar.beside(rows)
    assert sign(link, **own).manifest.ingredients


# What cannot be signed.


def test_a_type_that_carries_nothing_gets_its_manifest_beside_it(put, own, made):
    picture = put("image/bmp", "picture.bmp")
    before = picture.read_bytes()
    signed = sign(picture, source="digital-creation", **own)
    assert picture.read_bytes() == before
    assert read(picture, made, "image/bmp", signed.sidecar.read_bytes()).state == "Trusted"


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("empty.png", b"", DataError, r"empty\.png is empty; there is nothing to sign"),
        ("empty.csv", b"", DataError, r"empty\.csv is empty"),
        ("words.jpg", b"words", DataError, "no manifest can be put into this image/jpeg"),
        ("words.png", b"these are words", DataError, "cannot be signed"),
    ],
)
def test_what_is_no_whole_file(tmp_path, own, name, content, error, words):
    path = tmp_path / "work" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        sign(path, source="model", **own)
    assert path.read_bytes() == content
    assert names(path) == [name]
    assert logged(own) == 0


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_picture(put, own, part):
    picture = put("image/png", "picture.png")
    cut = picture.read_bytes()[: int(picture.stat().st_size * part)]
    picture.write_bytes(cut)
    with pytest.raises(DataError, match=r"picture\.png cannot be signed: .*; use an intact copy"):
        sign(picture, source="model", **own)
    assert picture.read_bytes() == cut


def test_what_is_no_file_to_sign(put, own, tmp_path, monkeypatch):
    for path, words in (
        (tmp_path, "is a directory; name a file"),
        (tmp_path / "absent.png", "no such file or directory; check its name"),
        (tmp_path / ("x" * 300), "file name too long"),
    ):
        with pytest.raises(StorageError, match=words):
            sign(path, source="model", **own)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png is no ordinary file"):
        sign(tmp_path / "pipe.png", source="model", **own)
    picture = put("image/png", "picture.png")
    monkeypatch.setattr(history, "MAX_FILE_BYTES", 100)
    with pytest.raises(StorageError, match=r"picture\.png is larger than 100 bytes"):
        sign(picture, source="model", **own)


def test_a_folder_that_cannot_be_written_is_found_out_first(output, own, monkeypatch):
    def refuse(folder):
        raise StorageError(f"cannot write to {folder}: permission denied")

    monkeypatch.setattr(storage, "require_writable", refuse)
    with pytest.raises(StorageError, match="permission denied"):
        sign(output, **own)
    assert logged(own) == 0


def test_without_keys_nothing_is_touched(output, own, tmp_path):
    before = output.read_bytes()
    with pytest.raises(KeyMaterialError):
        sign(output, keys=tmp_path / "none", ledger=own["ledger"])
    assert output.read_bytes() == before
    assert not own["ledger"].exists()


# What goes wrong in the middle.


@pytest.mark.parametrize("mime", ["image/png", "text/csv"])
@pytest.mark.parametrize(
    ("call", "failure"),
    [
        ("replace", OSError(errno.EIO, "Input/output error")),
        ("fsync", OSError(errno.ENOSPC, "No space left on device")),
        ("fchmod", OSError(errno.EPERM, "Operation not permitted")),
        ("replace", KeyboardInterrupt()),
        ("fsync", KeyboardInterrupt()),
    ],
)
def test_a_failure_while_writing_loses_nothing(put, own, monkeypatch, mime, call, failure):
    path = put(mime, "file.csv" if mime == "text/csv" else "file.png")
    sign(path, source="model", **own)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}

    def fail(*arguments):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(KeyboardInterrupt if not failure.args else StorageError):
            sign(path, **own)
    found = list(path.parent.iterdir())
    assert {each.name: each.read_bytes() for each in found if each.is_file()} == before
    waits = [each for each in found if each.is_dir()]  # what was logged and has no place yet
    assert len(waits) == (call == "replace")
    assert logged(own) == 1 + len(waits)
    assert sign(path, **own).manifest.state == "Trusted"
    assert all(each.is_file() for each in path.parent.iterdir())


def test_a_ledger_that_cannot_be_written_lets_nothing_out(output, own, monkeypatch):
    before = output.read_bytes()

    def full(self, entries, **_):
        raise StorageError("the ledger is full")

    monkeypatch.setattr(Ledger, "append", full)
    with pytest.raises(StorageError, match="the ledger is full"):
        sign(output, **own)
    assert output.read_bytes() == before
    assert names(output) == ["0001.png"]


def test_a_required_time_stamp_that_is_missing(output, own, authority):
    before = output.read_bytes()
    authority.answer = "junk"
    with pytest.raises(TimeStampError):
        sign(output, time_stamps=authority.url, stamp_required=True, **own)
    assert (output.read_bytes(), logged(own), names(output)) == (before, 0, ["0001.png"])
    signed = sign(output, time_stamps=authority.url, **own)
    assert "no time-stamp of this signature" in signed.unstamped
    authority.answer = "stamp"
    signed = sign(output, time_stamps=authority.url, stamp_required=True, **own)
    assert signed.manifest.time_stamp.authority == "authority"


def test_a_required_time_stamp_without_an_authority(output, own):
    with pytest.raises(KeyMaterialError, match="name an authority with --time-stamps"):
        sign(output, stamp_required=True, **own)


@pytest.mark.parametrize("mime", ["image/png", "text/csv"])
def test_a_file_that_changes_while_it_is_signed_keeps_its_change(put, own, monkeypatch, mime):
    path = put(mime, "file.csv" if mime == "text/csv" else "file.png")
    whole = manifest.signing.sign_store

    def slowly(*arguments, **named):
        path.write_bytes(b"somebody's new work")
        return whole(*arguments, **named)

    monkeypatch.setattr(manifest.signing, "sign_store", slowly)
    with pytest.raises(StorageError, match="was changed while it was signed"):
        sign(path, source="model", **own)
    assert path.read_bytes() == b"somebody's new work"
    assert names(path) == [path.name]
    assert logged(own) == 0


def test_two_signings_of_one_file_at_once(output, own, made, monkeypatch):
    """One comes first; the other is told, and neither makes the other's work vanish."""
    both, whole = threading.Barrier(2), manifest.signing.sign_store
    Ledger(own["ledger"])

    def together(*arguments, **named):
        signed = whole(*arguments, **named)
        both.wait(30)
        return signed

    monkeypatch.setattr(manifest.signing, "sign_store", together)

    def one(_):
        try:
            return sign(output, **own).manifest.label
        except SafegenError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(one, range(2)))
    assert "was changed while it was signed" in answers[0]
    assert read(output, made).label == answers[1]
    assert names(output) == ["0001.png"]
    assert logged(own) == 1


def test_signing_changes_no_pixel(put, own):
    picture = put("image/gif", "picture.gif")
    before = picture.read_bytes()
    sign(picture, source="model", **own)
    for data in (before, picture.read_bytes()):
        with Image.open(io.BytesIO(data)) as shown:
            shown.seek(1)
            pixels = np.asarray(shown.convert("RGB"))
        if data is before:
            first = pixels
    assert np.array_equal(first, pixels)


def test_what_has_a_history_was_edited_and_is_nothing_else(output, own):
    with pytest.raises(InputError, match="was edited and is no photograph; choose human-edits"):
        sign(output, source="photograph", **own)
