"""Folders of pictures, as people have them."""

import numpy as np
import pytest
from PIL import Image

from safegen.data.sources import load
from safegen.errors import DataError


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


@pytest.mark.parametrize(
    ("size", "fitting"),
    [((8, 8), 32), ((30, 30), 32), ((100, 36), 104), ((200, 200), 128), ((8, 200), 128)],
)
def test_sizes_that_no_network_takes_are_refused_with_a_way_out(tmp_path, size, fitting):
    root = folder_of_pictures(tmp_path, {"a": "L"}, size)
    with pytest.raises(DataError, match=f"{size[0]}x{size[1]} pixels.*--size {fitting} would do"):
        load(root)
    assert load(root, size=fitting).images.shape == (3, 1, fitting, fitting)


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match="holds no pictures; put them into it"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=r"hold no pictures \(1, such as a\);"):
        load(tmp_path)


# Which class a picture is of


def test_pictures_directly_in_a_folder_are_one_class(tmp_path):
    for number in range(3):
        Image.new("L", (32, 32), 60 * number).save(tmp_path / f"{number}.png")
    data = load(tmp_path)
    assert data.card.classes == ("all",)
    assert data.names == ("0.png", "1.png", "2.png")
    assert data.labels.tolist() == [0, 0, 0]


def test_pictures_beside_sub_folders_are_refused(tmp_path):
    root = folder_of_pictures(tmp_path, {"a": "L", "b": "L"})
    Image.new("L", (32, 32)).save(root / "stray.png")
    with pytest.raises(DataError, match=r"1 pictures beside sub-folders, the first is stray\.png;"):
        load(root)


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    root = folder_of_pictures(tmp_path / "pets", {"cat": "L", "dog": "L"})
    (root / "cat" / "._0.png").write_bytes(b"what a Mac leaves on other people's disks")
    (root / ".ipynb_checkpoints").mkdir()
    assert load(root).card.classes == ("cat", "dog")
    assert len(load(root)) == 6


def test_an_empty_class_is_named(tmp_path):
    root = folder_of_pictures(tmp_path, {"a": "L"})
    (root / "b" / "nested").mkdir(parents=True)
    with pytest.raises(DataError, match=r"such as b\); each is a class: fill it or remove it"):
        load(root)


# What a picture file may be


@pytest.fixture
def one(tmp_path):
    """Loads a folder of the one picture that it is given."""

    def read(picture, suffix="png", **options):
        (tmp_path / "a").mkdir()
        picture.save(tmp_path / "a" / f"one.{suffix}", **options)
        return load(tmp_path).images[0]

    return read


GRADIENT = np.arange(1024, dtype=np.uint8).reshape(32, 32)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_files_keep_the_upper_eight(one, suffix):
    deep = np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64
    assert np.array_equal(one(Image.fromarray(deep), suffix)[0], deep // 256)


def test_a_folder_of_twelve_bit_scans_asks_to_be_scaled_by_its_owner(one):
    scan = np.full((32, 32), 2**12 - 1, dtype=np.uint16)
    with pytest.raises(DataError, match=r"lowest 12 bits.*multiply all of them"):
        one(Image.fromarray(scan), "tif")


def test_one_bright_scan_is_enough_to_keep_dark_ones(tmp_path):
    for number, value in enumerate((100, 2**16 - 1)):
        Image.fromarray(np.full((32, 32), value, dtype=np.uint16)).save(tmp_path / f"{number}.png")
    assert load(tmp_path).images[:, 0, 0, 0].tolist() == [0, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_without_a_known_range_are_refused(one, kind):
    with pytest.raises(DataError, match=r"one\.tif: a picture of signed, 32-bit or floating-point"):
        one(Image.fromarray(np.ones((32, 32), dtype=kind)), "tif")


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opaque_alpha_channel_is_dropped(one, mode):
    plain = Image.fromarray(GRADIENT).convert(mode)
    pixels = one(plain)
    assert len(pixels) == {"LA": 1, "RGBA": 3}[mode]
    assert all(np.array_equal(channel, GRADIENT) for channel in pixels)


def transparent(mode):
    picture = Image.fromarray(GRADIENT).convert("P" if mode == "P" else mode)
    if mode in {"LA", "RGBA"}:
        picture.putalpha(254)
    return picture


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "RGB"])
def test_any_transparency_is_refused_with_the_way_out(one, mode):
    value = (7, 7, 7) if mode == "RGB" else 7
    named = {} if mode in {"LA", "RGBA"} else {"transparency": value}
    with pytest.raises(DataError, match=r"one\.png: a picture that is partly transparent; lay it"):
        one(transparent(mode), **named)


def test_a_palette_with_bytes_of_transparency_is_refused_without_a_warning(one):
    with pytest.raises(DataError, match="partly transparent"):
        one(transparent("P"), transparency=bytes([255, 128]))


def test_print_colours_become_rgb(one):
    pixels = one(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "tif")
    assert pixels[:, 0, 0].tolist() == [255, 0, 0]


def test_black_and_white_becomes_grey(one):
    assert set(np.unique(one(Image.fromarray(GRADIENT).convert("1")))) == {0, 255}


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp", "png"])
def test_several_pictures_in_a_file_are_refused(one, suffix):
    frames = [Image.fromarray(np.roll(GRADIENT, 40 * n)) for n in range(3)]
    with pytest.raises(DataError, match="3 pictures in one file; save the one"):
        one(frames[0], suffix, save_all=True, append_images=frames[1:])
