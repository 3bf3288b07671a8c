"""What leaves, in every format, and the one way around."""

import warnings

import numpy as np
import pytest
from PIL import Image

import safegen
from safegen.errors import Refused, RequestError, SafegenError, StorageError, UnsafeWarning
from safegen.modality.image import FORMATS, ImageModality, fingerprint_pixels, pixels_of
from safegen.modality.image_code import MAX_DIFFERING_SHARE, difference, image_code
from safegen.pipeline.explain import made_again, read_explained
from safegen.pipeline.generate import signing as seal_room
from safegen.pipeline.generate.model import Model
from safegen.provenance.c2pa.manifest import read
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.receipts import receipt_error
from safegen.provenance.media.kinds import kind_of
from safegen.schemas.canonical import sha256
from safegen.schemas.card import PictureShape
from safegen.schemas.receipt import Receipt

GREY = PictureShape(channels=1, height=32, width=32)
LOSSLESS = {"png", "webp", "tiff", "gif"}


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """The same two pictures in every format, in folders of their own."""
    folders = {}
    for name in FORMATS:
        folders[name] = tmp_path_factory.mktemp(name) / "out"
        release = model.generate(
            2,
            label=3,
            seed=5,
            watermark="none",
            purpose="formats",
            format=name,
            name="{number:04}",
            explain="full",
        )
        release.save(folders[name])
    return folders


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_leaves_with_everything_that_belongs_to_it(saved, made, name):
    folder, suffix = saved[name], ".jpg" if name == "jpeg" else f".{name}"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        each
        for number in ("0001", "0002")
        for each in (f"{number}{suffix}", f"{number}.receipt.json", f"explanations/{number}.png")
    } | {f"explanations/{read_explained(folder / f'0001{suffix}').explanation.arrays.file}"}
    trust = trust_in(made.root.read_bytes())
    for number in ("0001", "0002"):
        data = (folder / f"{number}{suffix}").read_bytes()
        assert kind_of(data[:32]) == f"image/{name}"
        found = read(data, f"image/{name}", trust=trust)
        assert (found.state, found.broken_ingredients) == ("Trusted", {})
        receipt = Receipt.model_validate_json((folder / f"{number}.receipt.json").read_bytes())
        assert receipt_error(receipt, made.root.read_bytes()) is None
        assert (receipt.file, receipt.file_digest) == (f"{number}{suffix}", sha256(data))
        assert receipt.manifest == found.label
        figure = (folder / "explanations" / f"{number}.png").read_bytes()
        shown = read(figure, "image/png", trust=trust)
        assert (shown.state, shown.ingredients[0].manifest) == ("Trusted", found.label)
        kinds = [Ledger(made.ledger).find(sha256(each))[0].kind for each in (data, figure)]
        assert kinds == ["output", "explanation"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_sample_in_every_format(saved, name):
    """Exactly, or as close as a quality of 95 allows; and its fingerprint is the same."""
    suffix = ImageModality(GREY, name).suffix
    for number in ("0001", "0002"):
        first = (saved["png"] / f"{number}.png").read_bytes()
        other = (saved[name] / f"{number}{suffix}").read_bytes()
        pixels = [pixels_of(data).astype(int) for data in (first, other)]
        grey = [each.mean(axis=0) for each in pixels]
        apart = np.abs(grey[0] - grey[1])
        assert apart.max() == 0 if name in LOSSLESS else apart.mean() < 3
        codes = [image_code(fingerprint_pixels(data)) for data in (first, other)]
        assert difference(*codes) <= (0 if name in LOSSLESS else MAX_DIFFERING_SHARE)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_verified_at_every_step(saved, made, name):
    folder = saved[name]
    verdicts = safegen.verify_tree([folder], trust=made.root, ledger=made.ledger)
    assert [verdict.state for verdict in verdicts] == ["trusted"] * 4
    outcomes = {item.step: item.outcome for item in verdicts[0].findings}
    steps = ("manifest", "integrity", "signer", "fingerprint", "ledger", "privacy", "policy")
    assert {outcomes[step] for step in steps} == {"passed"}
    assert set(outcomes.values()) <= {"passed", "not_checked"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_made_again_from_its_package(saved, made, name):
    path = saved[name] / f"0002{ImageModality(GREY, name).suffix}"
    explained = read_explained(path)
    assert explained.modality.format == name
    again = made_again(explained, made.model)
    assert (again.same_sample, again.same_digest, again.farthest) == (True, True, 0)


@pytest.mark.parametrize("name", ["jpeg", "avif"])
def test_another_picture_is_not_taken_for_it_in_a_lossy_format(saved, made, tmp_path, name):
    """Pixels are compared after encoding, so a step of 1 in 255 is all that may differ."""
    path = saved[name] / f"0002{ImageModality(GREY, name).suffix}"
    explained = read_explained(path)
    import dataclasses

    other = explained.stored.copy()
    other[:, 4, 4] ^= 8
    assert not made_again(dataclasses.replace(explained, stored=other), made.model).same_sample


@pytest.mark.parametrize("name", ["bmp", "", "PNG", "jpg", "tif", "image/png"])
def test_a_format_that_is_none_of_ours(model, made, name):
    before = len(Ledger(made.ledger))
    with pytest.raises(RequestError, match="choose png, jpeg, webp, tiff, avif, gif"):
        model.generate(1, purpose="x", format=name)
    assert len(Ledger(made.ledger)) == before


def test_formats_do_not_write_over_each_other(model, saved):
    """Their pictures have other names, but their receipts and explanations would not."""
    with pytest.raises(StorageError, match=r"already holds explanations/0001\.png"):
        model.generate(1, purpose="x", format="webp", name="0001").save(saved["png"])


# All of a batch, or none of it.


def test_a_sample_that_fails_in_the_middle_leaves_nothing(model, made, monkeypatch, tmp_path):
    whole = seal_room._seal

    def fails(sample, *others):
        if sample.name.endswith("-0003.png"):
            raise SafegenError("0003.png was withheld")
        return whole(sample, *others)

    monkeypatch.setattr(seal_room, "_seal", fails)
    before = len(Ledger(made.ledger))
    with pytest.raises(SafegenError, match=r"0003\.png was withheld"):
        model.generate(5, purpose="x").save(tmp_path / "out")
    assert len(Ledger(made.ledger)) == before
    assert not (tmp_path / "out").exists()


def test_a_sample_that_is_refused_in_the_middle_leaves_nothing(made, tmp_path):
    strict = tmp_path / "strict.yaml"
    strict.write_text(
        "name: strict\ndescription: No threes.\nrules:\n"
        "- {id: any, stage: request, require: 'true', because: Anybody may ask.}\n"
        "- {id: no, stage: release, because: No threes.,"
        " require: request.label != 3 || output.contrast > 1.0}\n"
    )
    loaded = safegen.load(
        made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger), policy=strict
    )
    before = len(Ledger(made.ledger))
    with pytest.raises(Refused, match="No threes"):
        loaded.generate(5, purpose="x").save(tmp_path / "out")
    assert len(Ledger(made.ledger)) == before + 1  # the refusal
    assert not (tmp_path / "out").exists()


def test_what_never_leaves_is_never_logged(model, made):
    before = len(Ledger(made.ledger))
    release = model.generate(2, purpose="x")
    assert len(Ledger(made.ledger)) == before
    assert "not left yet" in repr(release)
    assert len(release) == len(release.names) == 2  # to know them is not to let them out
    assert len(Ledger(made.ledger)) == before


def test_what_is_handed_out_in_memory_has_left(model, made, tmp_path):
    before = len(Ledger(made.ledger))
    release = model.generate(2, purpose="x")
    output = release.outputs[1]
    assert len(Ledger(made.ledger)) == before + 2
    assert Ledger(made.ledger).find(sha256(output.data)) is not None
    assert receipt_error(output.receipt, made.root.read_bytes()) is None
    paths = release.save(tmp_path / "out")  # it has left already, and is not logged again
    assert len(Ledger(made.ledger)) == before + 2
    assert paths[1].read_bytes() == output.data


def test_a_release_is_logged_once_wherever_it_is_saved(model, made, tmp_path):
    before = len(Ledger(made.ledger))
    release = model.generate(2, purpose="x")
    first = release.save(tmp_path / "one")
    assert len(Ledger(made.ledger)) == before + 2
    second = release.save(tmp_path / "two")
    assert len(Ledger(made.ledger)) == before + 2
    for one, two, output in zip(first, second, release.outputs, strict=True):
        assert one.read_bytes() == two.read_bytes() == output.data


def written_in(folder):
    """When each file was written, and which it is; when it was read does not count."""
    states = {path: path.stat() for path in folder.rglob("*")}
    return {path: (s.st_ino, s.st_mtime_ns, s.st_size, s.st_mode) for path, s in states.items()}


def test_saving_again_into_the_same_folder_changes_nothing(model, made, tmp_path):
    release = model.generate(2, purpose="x")
    paths = release.save(tmp_path)
    found = written_in(tmp_path)
    assert release.save(tmp_path) == paths
    assert written_in(tmp_path) == found
    paths[0].with_name(f"{paths[0].stem}.receipt.json").unlink()
    with pytest.raises(StorageError, match="already holds"):  # not all of it: say so
        release.save(tmp_path)


def test_many_releases_share_a_folder(model, made, tmp_path):
    for number in range(3):
        model.generate(2, seed=number, purpose="x").save(tmp_path)
    verdicts = safegen.verify_tree([tmp_path], trust=made.root, ledger=made.ledger)
    assert [verdict.state for verdict in verdicts] == ["trusted"] * 6


def test_a_ledger_that_fails_lets_nothing_out(model, made, monkeypatch, tmp_path):
    def full(self, entries, **_):
        raise StorageError("the ledger is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", full)
        release = model.generate(2, purpose="x")
        with pytest.raises(StorageError, match="the ledger is full"):
            release.save(tmp_path / "deep" / "out")
        with pytest.raises(StorageError, match="the ledger is full"):
            _ = release.outputs
    assert not (tmp_path / "deep").exists()
    assert len(release.save(tmp_path / "deep" / "out")) == 2  # when the ledger has room again


# The way around.

CALLED = {
    "from_pretrained", "generate", "in_format", "log_unsafe", "open", "save_pretrained",
    "unsafe_sample",
}  # fmt: skip
PUBLIC = CALLED | {"certificate", "config", "digest", "folder", "modality", "time_stamp"}


def test_a_model_has_exactly_these_doors(model):
    """A new public attribute may be a way for samples to leave unsigned and unlogged.

    Whoever adds one says here that it is none: `generate` signs, explains and logs, and
    `unsafe_sample` warns and logs; `open` and `from_pretrained` are `safegen.load`;
    `save_pretrained` copies the package; `in_format` says how files would be written; `log_unsafe`
    only logs what it is given; the others return no samples.
    """
    for where in (Model, model):
        assert {name for name in dir(where) if not name.startswith("_")} == PUBLIC
    assert not any(callable(getattr(model, name)) for name in PUBLIC - CALLED)


def test_raw_samples_come_with_a_warning_and_an_entry(model, made):
    before = len(Ledger(made.ledger))
    with pytest.warns(UnsafeWarning, match="3 samples of digits-vae leave unsigned") as caught:
        samples = model.unsafe_sample(3, reason="  a measurement ", label=3, seed=5)
    assert caught[0].filename == __file__
    assert (samples.shape, samples.dtype) == ((3, 1, 32, 32), np.float32)
    assert samples.min() >= 0
    assert samples.max() <= 1
    entry, _ = Ledger(made.ledger).find(sha256(samples.tobytes()))
    assert (entry.kind, entry.note) == ("unsafe_sample", "a measurement")
    assert entry.model_digest == model.digest
    assert entry.policy_digest is None
    assert len(Ledger(made.ledger)) == before + 1


def test_raw_samples_are_what_generate_would_have_drawn(model, saved):
    with pytest.warns(UnsafeWarning):
        samples = model.unsafe_sample(2, reason="x", label=3, seed=5)
    with Image.open(saved["png"] / "0002.png") as picture:
        shown = np.asarray(picture).astype(int)
    assert np.abs(shown - samples[1, 0] * 255).max() <= 0.51


def test_raw_samples_that_cannot_be_logged_are_not_returned(model, monkeypatch):
    def full(self, entries, **_):
        raise StorageError("the ledger is full")

    monkeypatch.setattr(Ledger, "append", full)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # not even the warning comes
        with pytest.raises(StorageError, match="the ledger is full"):
            model.unsafe_sample(1, reason="x")


def test_raw_samples_where_warnings_are_errors_are_logged_all_the_same(model, made):
    before = len(Ledger(made.ledger))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnsafeWarning):
            model.unsafe_sample(1, reason="x")
    assert len(Ledger(made.ledger)) == before + 1


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 1001])
def test_raw_samples_need_a_reason_that_can_be_logged(model, made, reason):
    before = len(Ledger(made.ledger))
    with pytest.raises(RequestError):
        model.unsafe_sample(1, reason=reason)
    assert len(Ledger(made.ledger)) == before
