"""Training an extractor is a recipe: it learns, and comes out the same again."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib

import numpy as np
import pytest

from safegen.errors import DataError
from safegen.marks import train as training
from safegen.marks.drawing import drawn, garments, photographed

SHORT = dataclasses.replace(training.RECIPES["small"], batch=24, steps=3)


@pytest.fixture
def idx(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    head = np.array([0x803, 5, 28, 28], dtype=">i4").tobytes()
    path = tmp_path / "pictures.gz"
    path.write_bytes(gzip.compress(head + pixels.tobytes()))
    return path


def test_one_seed_gives_one_extractor(monkeypatch, tmp_path, capsys, idx) -> None:
    monkeypatch.setitem(training.RECIPES, "small", SHORT)
    digests = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = tmp_path / name
        arguments = ["small", "--out", str(out), "--seed", seed, "--public", str(idx)]
        assert training.main(arguments) == 0
        digests.append(hashlib.sha256(out.read_bytes()).hexdigest())
        assert capsys.readouterr().err.endswith(f"{out}: SHA-256 {digests[-1]}\n")
    assert digests[0] == digests[1] != digests[2]


def test_an_extractor_learns(monkeypatch) -> None:
    monkeypatch.setattr(training, "WARM_UP", 10)
    said: list[str] = []
    recipe = dataclasses.replace(SHORT, steps=100, batch=32, psnr=(22.0, 22.0))
    training.train(recipe, tell=said.append)
    losses = [float(line.rsplit(" ", 1)[1]) for line in said]
    assert losses[-1] < losses[0] - 0.02


def test_what_is_no_idx_file_is_named(tmp_path, capsys) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"no pictures"))
    arguments = ["small", "--out", str(tmp_path / "out"), "--public", str(path)]
    assert training.main(arguments) == 2
    assert "text.gz is no idx file of pictures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    path.write_bytes(b"not compressed")
    with pytest.raises(DataError, match="no compressed idx file"):
        garments(path, 1, 28, None)


@pytest.mark.parametrize("make", [drawn, photographed])
def test_pictures_are_whole_numbers_and_differ(make) -> None:
    import torch

    some = make(6, 28, torch.Generator().manual_seed(0))
    assert some.shape == (6, 1, 28, 28)
    assert ((some == some.round()) & (some >= 0) & (some <= 255)).all()
    assert len({each.numpy().tobytes() for each in some}) == 6
    again = make(6, 28, torch.Generator().manual_seed(0))
    assert (some == again).all()
