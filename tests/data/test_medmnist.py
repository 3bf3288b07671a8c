"""MedMNIST's files, published and of one's own."""

import numpy as np
import pytest

from safegen.data.sources import load
from safegen.errors import DataError


def medmnist(path, images, labels):
    np.savez(path, train_images=images, train_labels=labels)
    return path


def test_a_medmnist_file(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), dtype=np.uint8)
    path = medmnist(tmp_path / "some.npz", images, np.array([[0], [1], [2], [0], [1], [2]]))
    data = load(path)
    assert data.images.shape == (6, 3, 28, 28)
    assert np.array_equal(data.images[4].transpose(1, 2, 0), images[4])
    assert data.card.classes == ("0", "1", "2")
    assert not data.card.public


def test_an_npz_with_a_pickle_inside_is_refused(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "evil.npz", train_images=objects, train_labels=objects)
    with pytest.raises(DataError, match="not a readable"):
        load(tmp_path / "evil.npz")


@pytest.mark.parametrize(
    "labels", [np.zeros((0, 1), dtype=int), np.array(["a", "b"]), np.array(3), np.array([0, 2**62])]
)
def test_labels_that_no_network_takes_are_refused(tmp_path, labels):
    images = np.zeros((labels.size if labels.ndim else 2, 28, 28), dtype=np.uint8)
    with pytest.raises(DataError, match="one label from 0"):
        load(medmnist(tmp_path / "odd.npz", images, labels))


def test_other_npz_files_are_refused_by_what_they_lack(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="train_images"):
        load(tmp_path / "other.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataError, match="not a readable"):
        load(tmp_path / "torn.npz")
    with pytest.raises(DataError, match="no file"):
        load(tmp_path / "absent.npz")


# Without labels, and deeper than 8 bits


def test_a_file_without_any_labels_is_one_class(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "plain.npz", train_images=images, test_images=images[:2])
    data = load(tmp_path / "plain.npz")
    assert data.card.classes == ("all",)
    assert data.labels.tolist() == [0] * 6
    assert len(load(tmp_path / "plain.npz", split="test")) == 2


def test_labels_that_only_one_split_lacks_are_missed(tmp_path):
    images = np.zeros((4, 28, 28), dtype=np.uint8)
    np.savez(
        tmp_path / "torn.npz",
        train_images=images,
        train_labels=np.zeros(4, dtype=int),
        test_images=images,
    )
    with pytest.raises(DataError, match="lacks test_images or test_labels"):
        load(tmp_path / "torn.npz", split="test")


def test_sixteen_bits_keep_the_upper_eight(tmp_path):
    deep = np.random.default_rng(0).integers(0, 2**16, (4, 28, 28), dtype=np.uint16)
    data = load(medmnist(tmp_path / "deep.npz", deep, np.array([0, 1, 0, 1])))
    assert np.array_equal(data.images[:, 0], deep // 256)


def test_twelve_bits_in_sixteen_ask_to_be_scaled_by_their_owner(tmp_path):
    scans = np.full((2, 28, 28), 2**12 - 1, dtype=np.uint16)
    with pytest.raises(DataError, match=r"lowest 12 bits.*multiply all of them"):
        load(medmnist(tmp_path / "scans.npz", scans, np.array([0, 1])))
    assert load(medmnist(tmp_path / "scans.npz", scans * 16, np.array([0, 1]))).images.max() == 255


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.int16, np.uint32, bool])
def test_other_types_of_pictures_are_named_with_the_way_out(tmp_path, kind):
    images = np.zeros((2, 28, 28), dtype=kind)
    with pytest.raises(DataError, match=f"of type {np.dtype(kind)} .*uint8 or uint16: scale"):
        load(medmnist(tmp_path / "odd.npz", images, np.array([0, 1])))


# What is published


@pytest.mark.parametrize(
    ("name", "classes", "counts"),
    [
        ("pneumoniamnist", ("normal", "pneumonia"), {"train": [1214, 3494], "test": [234, 390]}),
        (
            "retinamnist",
            ("grade 0", "grade 1", "grade 2", "grade 3", "grade 4"),
            {"train": [486, 128, 206, 194, 66], "test": [174, 46, 92, 68, 20]},
        ),
    ],
)
def test_published_sets_are_known_and_public(shared_data, name, classes, counts):
    for split, found in counts.items():
        data = load(shared_data / "medmnist" / f"{name}.npz", split=split)
        assert np.bincount(data.labels).tolist() == found
        assert data.card.classes == classes
        assert data.card.public
        assert data.card.licence == "CC-BY-4.0"
        assert data.card.source == "https://doi.org/10.5281/zenodo.10519652"


@pytest.mark.parametrize("name", ["retinamnist", "retinamnist_64", "scans"])
def test_other_records_under_a_known_name_are_private_and_only_keep_the_names(
    shared_data, tmp_path, name
):
    with np.load(shared_data / "medmnist" / "retinamnist.npz") as arrays:
        images, labels = arrays["train_images"].copy(), arrays["train_labels"]
    images[5, 3, 3, 0] ^= 1
    card = load(medmnist(tmp_path / f"{name}.npz", images, labels)).card
    assert not card.public
    assert card.licence == "not stated by the file"
    assert card.classes[4] == ("4" if name == "scans" else "grade 4")


def test_a_known_name_does_not_name_more_classes_than_it_has(tmp_path):
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    path = medmnist(tmp_path / "pneumoniamnist.npz", images, np.array([0, 1, 2]))
    assert load(path).card.classes == ("0", "1", "2")


def test_a_known_name_without_labels_is_one_class(tmp_path):
    np.savez(tmp_path / "retinamnist.npz", train_images=np.zeros((3, 28, 28), dtype=np.uint8))
    assert load(tmp_path / "retinamnist.npz").card.classes == ("all",)
