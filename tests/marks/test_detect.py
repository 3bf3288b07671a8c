"""What is read in a picture, and what is believed of it."""

from __future__ import annotations

import numpy as np
import pytest

from safegen.errors import InputError, TamperedError
from safegen.marks import detect
from safegen.marks.designs import LARGE, SMALL, design_for, design_of
from safegen.marks.embed import embed
from safegen.marks.extractor import extractor_of, read_extractor
from safegen.marks.networks import network_of

KEY = b"a ledger's name."


def pictures(count: int, side: int, channels: int) -> np.ndarray:
    """Smooth blobs of middle brightness, each other than the last."""
    rng = np.random.default_rng(side)
    coarse = rng.uniform(40, 215, (count, channels, 5, 5))
    places = np.linspace(0, 3.999, side)
    whole, part = places.astype(int), places % 1
    rows = coarse[:, :, whole] * (1 - part)[:, None] + coarse[:, :, whole + 1] * part[:, None]
    both = rows[..., whole] * (1 - part) + rows[..., whole + 1] * part
    return both.round().astype(np.uint8)


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (32, 3), (64, 3), (96, 1)])
def test_a_known_id_is_found_in_its_picture_and_in_no_other(side: int, channels: int) -> None:
    plain = pictures(6, side, channels)
    algorithm = design_for(side, side).algorithm
    marked = embed(plain, [11, 22, 33, 44, 55, 66], key=KEY, psnr=36)
    known = {algorithm: list(range(0, 2000, 11))}
    found = [detect.find(picture, known, KEY) for picture in marked]
    assert [each.id for each in found if each] == [11, 22, 33, 44, 55, 66]
    assert all(each.proved for each in found if each)
    assert not any(each.proved for each in (detect.find(p, known, KEY) for p in plain) if each)
    other = [detect.find(picture, known, KEY[::-1]) for picture in marked]
    assert not any(each.proved for each in other if each)


def test_a_payload_is_read_that_nobody_named() -> None:
    marked = embed(pictures(3, 64, 3), [7, 2**32 - 1, 123_456_789], key=KEY, psnr=36)
    payloads = [detect.payload(detect.read(picture), KEY) for picture in marked]
    assert payloads == [7, 2**32 - 1, 123_456_789]


def test_who_was_resized_is_read_by_the_extractor_of_its_mark() -> None:
    marked = embed(pictures(1, 28, 1), [99], key=KEY, psnr=34)[0, 0]
    larger = np.kron(marked, np.ones((2, 2), dtype=np.uint8))
    known = {SMALL.algorithm: [98, 99], LARGE.algorithm: [99, 100]}
    found = detect.find(larger, known, KEY)
    assert found
    assert (found.algorithm, found.id, found.proved) == (SMALL.algorithm, 99, True)


def test_many_ids_need_better_evidence() -> None:
    marked = embed(pictures(1, 28, 1), [5], key=KEY)[0]
    few = detect.find(marked, {SMALL.algorithm: [5, 6]}, KEY)
    many = detect.find(marked, {SMALL.algorithm: range(2000)}, KEY)
    assert few
    assert many
    assert many.chance == pytest.approx(1000 * few.chance, abs=0)


def test_without_ids_nothing_is_found() -> None:
    assert detect.find(pictures(1, 28, 1)[0], {SMALL.algorithm: []}, KEY) is None


@pytest.mark.parametrize("design", [SMALL, LARGE])
def test_numpy_reads_what_torch_reads(design) -> None:
    import torch

    squares = np.random.default_rng(0).uniform(0, 255, (4, design.side, design.side))
    squares = squares.astype(np.float32)
    extractor = extractor_of(design)
    seen = network_of(extractor)(torch.from_numpy(squares)[:, None]).numpy()
    np.testing.assert_allclose(extractor.logits(squares), seen, atol=1e-4)


def test_an_extractor_that_is_not_ours_is_refused() -> None:
    with pytest.raises(TamperedError, match="is not the one that this version"):
        read_extractor(b"something else", SMALL)


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (np.arange(27 * 64, dtype=np.uint8).reshape(27, 64), "64x27 pixels is too small"),
        (np.full((3, 64, 64), 7, np.uint8), "one flat colour"),
        (np.ones((4, 64, 64), np.uint8), "without alpha"),
        (np.ones((64, 64), np.uint16), "8 bits a channel, not of uint16"),
        (np.broadcast_to(np.uint8(1), (14_143, 14_143)), "too large to look at"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(picture: np.ndarray, why: str) -> None:
    with pytest.raises(InputError, match=why):
        detect.read(picture)


def test_an_algorithm_of_another_version_is_named() -> None:
    with pytest.raises(InputError, match=r"'org.safegen.mark.huge.7' are known here, only org"):
        design_of("org.safegen.mark.huge.7")
