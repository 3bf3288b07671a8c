"""Python data: arrays, torch data sets, frames of paths; and how they are refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import safegen
from safegen.data.sources import load
from safegen.errors import DataError

COUNT = 12


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels():
    return np.arange(COUNT) % 3


class Items(Dataset):
    """Pictures with labels in whatever form each test gives them."""

    classes = ("a", "b", "c")

    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


def test_arrays_of_every_layout_are_the_same_records(pictures, labels):
    wanted = safegen.DataSet.from_arrays(pictures, labels, name="scans")
    assert wanted.images.shape == (COUNT, 1, 28, 28)
    assert wanted.card.classes == ("0", "1", "2")
    assert (wanted.card.count, wanted.card.units, wanted.card.public) == (COUNT, COUNT, False)
    for other in (
        pictures[:, None],
        pictures[..., None],
        pictures.astype(np.int64),
        (pictures / 255).astype(np.float32),
        torch.from_numpy(pictures),
        pictures[:, None] / 255,
    ):
        same = safegen.DataSet.from_arrays(other, list(labels), name="scans")
        assert same.card == wanted.card
        assert (same.images == wanted.images).all()


def test_a_torch_data_set_is_the_same_records_as_its_arrays(pictures, labels):
    wanted = safegen.DataSet.from_arrays(pictures, labels, name="scans", classes="abc")
    tensors = torch.from_numpy(pictures)[:, None] / 255
    forms = (
        zip(tensors, torch.from_numpy(labels), strict=True),
        zip(map(Image.fromarray, pictures), labels.tolist(), strict=True),
        ([picture, int(label)] for picture, label in zip(pictures, labels, strict=True)),
    )
    for form in forms:
        same = safegen.DataSet.from_torch(Items(form), name="scans")
        assert same.card == wanted.card
        assert (same.labels == wanted.labels).all()
    plain = TensorDataset(tensors, torch.from_numpy(labels))
    assert safegen.DataSet.from_torch(plain, name="scans").card.classes == ("0", "1", "2")


def test_pictures_without_labels_are_of_one_class(pictures):
    data = safegen.DataSet.from_torch(Items(pictures), name="scans", classes=["scan"])
    assert data.card.classes == ("scan",)
    assert safegen.DataSet.from_arrays(pictures, name="scans").card.classes == ("all",)


def test_a_frame_of_paths_is_the_same_records_as_its_folder(tmp_path, pictures):
    frame = {"file": [], "kind": [], "patient": []}
    for number, picture in enumerate(pictures):
        kind = ("ill", "well")[number % 2]
        place = tmp_path / kind / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(place)
        frame["file"].append(f"{kind}/{number}.png")
        frame["kind"].append(kind)
        frame["patient"].append(number // 3)
    data = safegen.DataSet.from_frame(frame, name="scans", path="file", label="kind", root=tmp_path)
    assert data.card.digest == load(tmp_path).card.digest
    assert data.names == tuple(frame["file"])
    by_patient = safegen.DataSet.from_frame(
        frame, name="scans", path="file", label="kind", group="patient", root=tmp_path, size=32
    )
    assert (by_patient.card.unit, by_patient.card.units) == ("group", COUNT // 3)
    assert by_patient.card.shape.width == 32


def test_records_do_not_change_with_the_arrays_that_they_came_from(pictures):
    """A budget knows them by a digest, which would be another's."""
    data = safegen.DataSet.from_arrays(pictures, name="scans")
    kept = data.images.copy()
    pictures[:] = 0
    assert (data.images == kept).all()


def test_a_palette_is_its_colours(pictures, labels):
    """Not the numbers of them, which are any order's."""
    bright = [Image.fromarray(picture).convert("RGB") for picture in pictures]
    by_palette = [picture.quantize(256) for picture in bright]
    data = safegen.DataSet.from_torch(Items(zip(by_palette, labels, strict=True)), name="scans")
    assert (data.images == pictures[:, None]).all()
    assert (safegen.DataSet.from_arrays(by_palette, name="scans").images == data.images).all()


def test_tensors_that_learn_are_pictures_too(pictures):
    learning = [torch.from_numpy(picture / 255).requires_grad_() for picture in pictures]
    data = safegen.DataSet.from_arrays(learning, name="scans")
    assert (data.images[:, 0] == pictures).all()


class NAType:
    """As pandas writes what is missing: equal to nothing, and neither true nor false."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError

    def __repr__(self):
        return "<NA>"

    __hash__ = None


@pytest.mark.parametrize("nobody", [NAType(), np.float32("nan"), None, " "])
def test_what_is_missing_is_no_group(pictures, nobody):
    with pytest.raises(DataError, match="1 of 12 records have no group id"):
        safegen.DataSet.from_arrays(pictures, name="scans", groups=[*range(COUNT - 1), nobody])


def test_one_and_one_point_nought_are_one_patient(pictures):
    data = safegen.DataSet.from_arrays(pictures, name="scans", groups=[1, 1.0, *range(2, COUNT)])
    assert data.card.units == COUNT - 1


def test_a_file_is_one_record_however_it_is_spelt(tmp_path, pictures):
    Image.fromarray(pictures[0]).save(tmp_path / "0.png")
    (tmp_path / "link.png").symlink_to("0.png")
    for other in ("./0.png", str(tmp_path / "0.png"), "link.png"):
        with pytest.raises(DataError, match="1 files twice"):
            safegen.DataSet.from_frame(
                {"path": ["0.png", other]}, name="scans", label=None, root=tmp_path
            )


def test_paths_are_taken_as_they_are_and_classes_in_one_form(tmp_path, pictures):
    paths = [" a.png", "e\u0301.png"]
    for path, picture in zip(paths, pictures, strict=False):
        Image.fromarray(picture).save(tmp_path / path)
    frame = {"path": paths, "label": ["ill ", "ill"]}
    data = safegen.DataSet.from_frame(frame, name="scans", root=tmp_path)
    assert (data.names, data.card.classes) == (tuple(paths), ("ill",))


def test_groups_come_with_arrays(pictures, labels):
    data = safegen.DataSet.from_arrays(
        pictures, labels, name="scans", groups=[number // 4 for number in range(COUNT)]
    )
    assert (data.card.unit, data.card.units) == ("group", 3)


@pytest.mark.parametrize(
    ("made", "changes", "reason"),
    [
        (lambda x: x[:0], {"labels": None}, "holds no pictures"),
        (lambda x: x[0], {}, r"shape \(28, 28\)"),
        (lambda x: np.stack([x] * 2, axis=1), {}, "1 or 3 channels"),
        (lambda x: x[:, :20, :20], {}, "--size 32 would do"),
        (lambda x: x / 1.0, {}, "numbers from 0 to 1"),
        (lambda x: x / 127.5 - 1, {}, "scaled by one rule"),
        (lambda x: np.where(x == x[0, 0, 0], np.nan, x / 255), {}, "NaN or infinite"),
        (lambda x: x.astype(np.uint16) * 257, {}, "give uint8"),
        (lambda x: x.astype(np.int16) - 1, {}, "give uint8"),
        (lambda x: x > 9, {}, "give uint8"),
        (lambda x: x.astype(complex), {}, "give uint8"),
        (lambda x: [x[0], x[1][:20]], {}, "different shapes"),
        (lambda _: "scans.npy", {}, "array of shape"),
        (lambda x: x, {"labels": np.zeros(3, dtype=int)}, "12 pictures, and labels of shape"),
        (lambda x: x, {"labels": np.zeros(COUNT)}, "one whole number from 0"),
        (lambda x: x, {"labels": ["ill"] * COUNT}, "classes their names"),
        (lambda x: x, {"labels": np.full(COUNT, -1)}, "numbers from 0"),
        (
            lambda x: x,
            {"labels": np.full(COUNT, 2), "classes": ("a", "b")},
            "a name for every class",
        ),
        (lambda x: x, {"classes": ("a", "a")}, "two classes of one name"),
        (lambda x: x, {"classes": ("a", "a ")}, "two classes of one name"),
        (lambda x: x, {"classes": ("a", "")}, "class without a name"),
        (lambda x: x, {"classes": 2}, "give their names"),
        (lambda x: x, {"classes": ("a", "\udcff")}, "no text in UTF-8"),
        (lambda x: x, {"labels": [[0]] * 11 + [[0, 1]]}, "labels of different shapes"),
        (lambda x: x, {"name": None}, "name is None"),
        (lambda x: x, {"name": "\udcff"}, "no text in UTF-8"),
        (lambda x: x, {"name": ""}, "give text"),
        (lambda x: x, {"name": "a\nb"}, "letters that cannot be seen"),
        (lambda x: x, {"classes": ("a", "b\x1b[2J")}, "letters that cannot be seen"),
        (lambda x: x, {"classes": ("a", "b\n# c")}, "letters that cannot be seen"),
        (lambda x: x, {"size": 0}, "0 pixels does not fit"),
        (lambda x: x, {"size": "28"}, "whole number of pixels"),
        (lambda x: np.ma.masked_less(x, 9), {}, "masked pixels"),
        (lambda x: torch.from_numpy(x / 255).bfloat16(), {}, "a dense one"),
        (lambda x: torch.from_numpy(x / 255).to_sparse(), {}, "a dense one"),
        (lambda x: [Image.new("RGBA", (28, 28))] * len(x), {}, "partly transparent"),
        (lambda x: x, {"groups": [1]}, "1 group ids"),
        (lambda x: x, {"groups": 3}, "give a list of one group id"),
        (lambda x: x, {"groups": {n: n // 2 for n in range(COUNT)}}, "give a list of one group"),
        (lambda x: x, {"groups": [object() for _ in range(COUNT)]}, "give text or numbers"),
        (lambda x: x, {"groups": [None] * COUNT}, "no group id"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(pictures, made, changes, reason):
    with pytest.raises(DataError, match=reason) as refused:
        safegen.DataSet.from_arrays(
            made(pictures), **({"labels": np.arange(COUNT) % 2, "name": "scans"} | changes)
        )
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (iter(()), "without a length"),
        (Items([]), "holds no pictures"),
        (Items([(np.zeros((28, 28)), 0), np.zeros((28, 28))]), "some have none"),
        (Items([(np.zeros((28, 28)), 0), (np.zeros((32, 32)), 0)]), "different shapes or types"),
        (Items([(np.zeros((28, 28)), "ill")]), "one whole number"),
        (Items([(np.zeros((28, 28)), 0, 1)]), "a tuple of 3"),
        (Items([{"image": np.zeros((28, 28)), "label": 0}]), "a dict of 2"),
        (Items, "without a length"),
    ],
)
def test_a_torch_data_set_that_does_not_fit_is_refused(items, reason):
    with pytest.raises(DataError, match=reason):
        safegen.DataSet.from_torch(items, name="scans")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"path": [], "label": []}, "no rows"),
        ({"file": ["a.png"], "label": ["x"]}, "without a column 'path'"),
        ({"path": ["a.png"]}, "without a column 'label'"),
        ({"path": ["a.png", "a.png"], "label": ["x", "y"]}, "files twice"),
        ({"path": ["a.png"], "label": [float("nan")]}, "1 rows without a label"),
        (["a.png"], "list without a column"),
        ({"path": ["a.png", "b.png"], "label": ["x"]}, "must pair"),
        ({"path": [None], "label": ["x"]}, "1 rows without a path"),
        ({"path": ["a\0b"], "label": ["x"]}, "paths that are none"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(frame, reason):
    with pytest.raises(DataError, match=reason):
        safegen.DataSet.from_frame(frame, name="scans")


def test_a_printed_data_set_shows_its_card_and_no_record(pictures, labels):
    data = safegen.DataSet.from_arrays(
        pictures, labels, name="scans", groups=[f"patient-{number}" for number in range(COUNT)]
    )
    for shown in (repr(data), str(data), f"{data}"):
        assert "name='scans'" in shown
        assert not any(word in shown for word in ("array(", "images=", "labels=", "groups="))
