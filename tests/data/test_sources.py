import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from safegen.data.dataset import assemble
from safegen.data.sources import load
from safegen.errors import DataError


def test_digits_are_real_and_offline():
    digits = load("digits")
    assert digits.images.shape == (1797, 1, 32, 32)
    assert digits.images.dtype == np.uint8
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    card = digits.card
    assert (card.name, card.count, card.unit, card.public) == ("digits", 1797, "record", True)
    assert card.classes == tuple("0123456789")
    assert card.digest == load("digits").card.digest


def test_the_digest_changes_with_any_record():
    digits = load("digits")
    changed = digits.images.copy()
    changed[100, 0, 5, 5] ^= 1
    other = assemble(
        changed, digits.labels, digits.card.classes, name="digits", source="", licence=""
    )
    assert other.card.digest != digits.card.digest


def test_the_digest_is_of_the_records_whatever_their_size_and_order(tmp_path):
    """Otherwise --size would open a fresh budget for the same people."""
    assert load("digits", size=28).card.digest == load("digits", size=32).card.digest
    for name in ("one", "two"):
        for number in range(4):
            folder = tmp_path / name / "cat"
            folder.mkdir(parents=True, exist_ok=True)
            place = number if name == "one" else 3 - number
            Image.new("L", (40, 40), 50 * number).save(folder / f"{place}.png")
    one, two = (load(tmp_path / name, size=size) for name, size in (("one", 32), ("two", 28)))
    assert one.card.digest == two.card.digest
    (tmp_path / "two" / "cat" / "0.png").unlink()
    assert load(tmp_path / "two", size=28).card.digest != one.card.digest


def idx(folder, name, array, *, packed=True, magic=None):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">{1 + array.ndim}I", magic or 0x0800 + array.ndim, *array.shape)
    data = head + array.astype(np.uint8).tobytes()
    path = raw / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_plain_or_packed(tmp_path, packed):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28))
    idx(tmp_path, "train-images-idx3-ubyte", pixels, packed=packed)
    idx(tmp_path, "train-labels-idx1-ubyte", np.arange(5), packed=packed)
    data = load("mnist", data_root=tmp_path)
    assert np.array_equal(data.images[:, 0], pixels)
    assert data.labels.tolist() == [0, 1, 2, 3, 4]


def test_a_truncated_or_foreign_idx_file_is_named(tmp_path):
    path = idx(tmp_path, "train-images-idx3-ubyte", np.zeros((5, 28, 28)), magic=0x0801)
    with pytest.raises(DataError, match=r"train-images.*not an idx file"):
        load("mnist", data_root=tmp_path)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match="not a readable idx file"):
        load("mnist", data_root=tmp_path)


def test_a_missing_data_root_names_the_way_out(tmp_path):
    with pytest.raises(DataError, match="needs --data-root"):
        load("mnist")
    with pytest.raises(DataError, match="point --data-root at the folder that holds FashionMNIST"):
        load("fashion-mnist", data_root=tmp_path / "nowhere")


def test_an_unknown_name_lists_the_known():
    with pytest.raises(DataError, match="digits, mnist, fashion-mnist"):
        load("minst")


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


@pytest.mark.parametrize("size", [-5, 0, 30, 1000])
def test_a_size_that_does_not_fit_is_refused_before_anything_is_read(size):
    with pytest.raises(DataError, match="--size 32"):
        load("digits", size=size)


def test_other_npz_files_are_refused_by_what_they_lack(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="train_images"):
        load(tmp_path / "other.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataError, match="not a readable"):
        load(tmp_path / "torn.npz")
    with pytest.raises(DataError, match="no file"):
        load(tmp_path / "absent.npz")


def folder_of_pictures(root, modes, size=(32, 32)):
    for label, mode in modes.items():
        (root / label).mkdir(parents=True)
        for number in range(3):
            Image.new(mode, size, 60 * number if mode in {"L", "I;16"} else "red").save(
                root / label / f"{number}.png"
            )
    return root


def test_a_folder_with_one_sub_folder_a_class(tmp_path):
    data = load(folder_of_pictures(tmp_path / "pets", {"cat": "L", "dog": "L"}))
    assert data.images.shape == (6, 1, 32, 32)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.card.classes == ("cat", "dog")
    assert data.card.name == "pets"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_in_any_mode_becomes_rgb(tmp_path, mode):
    data = load(folder_of_pictures(tmp_path, {"a": mode, "b": "L"}))
    assert data.images.shape == (6, 3, 32, 32)
    assert data.images[0, :, 0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_keep_the_upper_eight(tmp_path):
    (tmp_path / "a").mkdir()
    deep = np.full((32, 32), 0x8F00, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a" / "0.png")
    assert load(tmp_path).images[0, 0, 0, 0] == 0x8F


def test_an_unreadable_picture_is_named(tmp_path):
    root = folder_of_pictures(tmp_path, {"a": "L"})
    whole = (root / "a" / "1.png").read_bytes()
    (root / "a" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"1\.png.*not a readable picture"):
        load(root)


def test_pictures_of_different_sizes_ask_for_one(tmp_path):
    root = folder_of_pictures(tmp_path, {"a": "L"})
    Image.new("L", (40, 40)).save(root / "a" / "big.png")
    with pytest.raises(DataError, match="--size 32"):
        load(root)
    assert load(root, size=28).images.shape == (4, 1, 28, 28)


@pytest.mark.parametrize("size", [(8, 8), (200, 200), (30, 30)])
def test_sizes_that_no_network_takes_are_refused_with_a_way_out(tmp_path, size):
    with pytest.raises(DataError, match="--size 32"):
        load(folder_of_pictures(tmp_path, {"a": "L"}, size))


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match="no sub-folders"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        load(tmp_path)


def test_labels_must_fit():
    images = np.zeros((3, 1, 28, 28), dtype=np.uint8)
    with pytest.raises(DataError, match="labels outside"):
        assemble(images, np.array([0, 1, 2]), ("a", "b"), name="x", source="", licence="")
    with pytest.raises(DataError, match="must pair"):
        assemble(images, np.array([0, 1]), ("a", "b"), name="x", source="", licence="")


@pytest.mark.parametrize("shape", [(3, 2, 28, 28), (3, 28, 28)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(DataError, match="expected grey or RGB"):
        assemble(
            np.zeros(shape, dtype=np.uint8), np.zeros(3), ("a",), name="x", source="", licence=""
        )


def test_real_benchmarks(shared_data):
    fashion = load("fashion-mnist", data_root=shared_data)
    assert fashion.images.shape == (60_000, 1, 28, 28)
    assert set(np.bincount(fashion.labels)) == {6000}
    assert fashion.card.classes[7] == "Sneaker"
    assert load("mnist", data_root=shared_data, split="test").images.shape == (10_000, 1, 28, 28)


def test_real_medical_pictures(shared_data):
    retina = load(shared_data / "medmnist" / "retinamnist.npz")
    assert retina.images.shape == (1080, 3, 28, 28)
    assert np.bincount(retina.labels).tolist() == [486, 128, 206, 194, 66]
