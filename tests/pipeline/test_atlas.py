"""The atlas of a real model: its page, its entry in the log, and names that outlive it."""

import re
import subprocess
import sys

import pytest

import safegen
from safegen.errors import DataError, InputError
from safegen.explain.summary import in_words
from safegen.package.latent_names import names_of, read_names, write_names
from safegen.pipeline.explain import read_explained
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import sha256


def safegen_at(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "safegen", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip


def test_one_command_makes_a_page_names_a_latent_and_tells_the_log(made_apart, tmp_path):
    made, page = made_apart, tmp_path / "atlas.html"
    asked = ("atlas", made.model, "--keys", made.keys, "--ledger", made.ledger, "--label", "7")
    done = safegen_at(tmp_path, *asked, "--out", page, "--name", "latent 3=<slant>")
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "&lt;slant&gt;" in text or "latent 3" not in text
    assert "<slant>" not in text
    assert text.count("data:image/png;base64,") >= 12 + 10 + 2
    assert not re.search(r"(src|href)=\"(?!data:)", text)  # it loads nothing
    assert "prefers-color-scheme: dark" in text
    assert all('alt="' in each for each in re.findall(r"<img[^>]*>", text))
    entry = Ledger(made.ledger).find(sha256(page.read_bytes()))
    assert entry is not None
    again = safegen_at(tmp_path, *asked, "--out", page)
    assert again.returncode != 0
    assert "is there already" in again.stderr
    # The name is no part of what is signed, and the package opens as before.
    model = safegen.load(made.model, keys=made.keys, ledger=made.ledger)
    assert names_of(made.model) == {"latent 3": "<slant>"}
    explanation = read_explained(made.outputs / "0001.png").explanation
    leader = explanation.top_latents[0]
    write_names(made.model, model.digest, {f"latent {leader}": "size"}, latents=16)
    told = safegen_at(tmp_path, "explain", made.outputs / "0001.png", "--package", made.model)
    assert f"latent {leader} (size)" in " ".join(told.stdout.split())
    assert "(size)" not in in_words(explanation)


def test_names_that_name_nothing_are_refused(tmp_path):
    for thing, name, why in (
        ("latent 16", "x", "no latent 16; they go from 0 to 15"),
        ("the third", "x", "cannot be named"),
        ("sefa-0", "x", "cannot be named"),
        ("latent 1", "x" * 41, "40 printable"),
        ("latent 1", "a\nb", "40 printable"),
    ):
        with pytest.raises(InputError, match=why):
            write_names(tmp_path, "sha256:a", {thing: name}, latents=16)
    write_names(tmp_path, "sha256:a", {"latent 1": "size", "pca-2": "tilt"}, latents=16)
    write_names(tmp_path, "sha256:a", {"latent 1": ""}, latents=16)
    assert read_names(tmp_path, "sha256:a") == {"pca-2": "tilt"}
    with pytest.raises(DataError, match="of another model"):
        read_names(tmp_path, "sha256:b")
    (tmp_path / "names.json").write_text("{")
    with pytest.raises(DataError, match="holds no names"):
        read_names(tmp_path, "sha256:a")


def test_influence_of_records_is_not_told_and_why(made, tmp_path):
    told = safegen_at(
        tmp_path, "explain", made.outputs / "0001.png", "--influence", "--package", made.model
    )
    words = " ".join(told.stdout.split())
    assert told.returncode == 0
    assert "differential privacy is there to hide" in words
    assert "training steps, noise multiplier" in words
    assert "prior.means" in words
