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


@pytest.mark.parametrize(
    ("size", "fitting"),
    [(-5, 32), (0, 32), (30, 32), (63, 64), (100, 104), (127, 128), (1000, 128)],
)
def test_a_size_that_does_not_fit_is_refused_before_anything_is_read(size, fitting):
    with pytest.raises(DataError, match=f"--size {fitting} would do"):
        load("digits", size=size)
    assert load("digits", size=fitting).images.shape[2:] == (fitting, fitting)


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
