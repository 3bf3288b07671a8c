"""The two things that a newcomer does first, whole; minutes each."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import safegen

pytestmark = pytest.mark.slow


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "safegen", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


def test_the_demo(tmp_path):
    started = time.monotonic()
    done = command("demo", "--out", "demo", cwd=tmp_path)
    print(f"the demo took {time.monotonic() - started:.0f} s")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "demo"
    claimed = json.loads((folder / "model" / "certificate.json").read_text())["epsilon"]
    assert claimed <= 8
    assert f"{claimed:.6f}" in done.stdout
    assert "20 of 20" in done.stdout
    assert "refused" in done.stdout
    names = sorted(path.stem for path in (folder / "outputs").glob("*.png"))
    assert [name[-5:] for name in names] == [f"-{number:04d}" for number in range(1, 21)]
    assert len({name[:-5] for name in names}) == 1  # one release
    for name in names:
        assert (folder / "outputs" / f"{name}.receipt.json").is_file()
        assert (folder / "outputs" / "explanations" / f"{name}.png").is_file()
    for place in ("keys/root.pem", "ledger.db", "report.html"):
        assert (folder / place).stat().st_size > 0
    done = command("demo", cwd=tmp_path)
    assert "safegen-demo/report.html" in done.stdout


def test_recognisable_digits(tmp_path):
    """A classifier trained on real digits recognises most of what the demo makes."""
    from sklearn.svm import SVC

    from safegen.data.sources import load
    from safegen.provenance.keys import pki

    pki.init(tmp_path / "keys")
    places = {"keys": tmp_path / "keys", "ledger": tmp_path / "ledger.db"}
    model = safegen.train("digits", out=tmp_path / "model", epsilon=8, **places)
    with pytest.warns(safegen.errors.UnsafeWarning):
        made = [model.unsafe_sample(100, reason="a test", label=label) for label in range(10)]
    digits = load("digits")
    judge = SVC(C=5).fit(digits.images.reshape(1797, -1) / 255, digits.labels)
    accuracy = judge.score(np.concatenate(made).reshape(1000, -1), np.repeat(np.arange(10), 100))
    print(f"recognised: {accuracy:.2f}")
    assert accuracy > 0.75  # 0.84 in the mean; 100 pictures would leave that to chance


def test_fashion_mnist_in_three_commands(tmp_path, shared_data):
    done = command(
        "train", "fashion-mnist", "--data-root", shared_data, "--model", "vae",
        "--epsilon", 10, "--out", "runs/fashion", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = command(
        "generate", "runs/fashion", "-n", 16, "--label", 7, "--seed", 0,
        "--purpose", "demo", "--out", "out/", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = command("verify", "out/", "--trust", "keys/root.pem", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
