"""With groups, nothing that leaves tells how many records there are: one group's secret."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
from typer.testing import CliRunner

import safegen
from safegen.cli.commands import build
from safegen.data.dataset import assemble
from safegen.data.groups import grouped
from safegen.provenance.c2pa import manifest
from safegen.provenance.keys import pki
from safegen.schemas.names import CERTIFICATE, CONFIG

RECORDS, GROUPS, LARGEST = 1057, 90, 57
TOLD = re.compile(r"(?<![\w.,-])1[,_ ]?057(?![\w.,-])")

DULL_IS_FINE = """
name: dull-is-fine
description: A flat picture may leave, too.
rules:
  - {id: asked, stage: request, require: request.purpose != "", because: A test asks.}
  - {id: signed, stage: release, require: output.signed, because: A test asks.}
"""


@dataclass(frozen=True)
class Trained:
    model: safegen.Model
    folder: object
    said: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One group has 57 pictures; the others share the rest."""
    folder = tmp_path_factory.mktemp("groups")
    pki.init(folder / "keys")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (RECORDS, 1, 28, 28), dtype=np.uint8)
    data = assemble(
        pictures, np.arange(RECORDS) % 2, ("a", "b"), name="ward", source="a test", licence="none"
    )
    belongs = np.concatenate([np.zeros(LARGEST), 1 + np.arange(RECORDS - LARGEST) % (GROUPS - 1)])
    told = []
    model = safegen.train(
        grouped(data, [f"patient {int(number)}" for number in belongs]),
        out=folder / "model", steps=3, batch=8, canaries=100, prior="none", keys=folder / "keys",
        ledger=folder / "ledger.db", budget=str(folder / "budget.db"),
        progress=lambda stage, done, of: told.append(f"{stage} {done} {of}"),
    )  # fmt: skip
    return Trained(model=model, folder=folder, said="\n".join(told))


def test_no_file_of_the_package_tells_it(trained):
    folder = trained.folder / "model"
    texts = {path.name: path.read_bytes().decode("latin-1") for path in folder.iterdir()}
    assert {"README.md", CONFIG, CERTIFICATE, "model.c2pa"} <= set(texts)
    for name, text in texts.items():
        if name != "weights.safetensors":
            assert not TOLD.search(text), name
    weights = (folder / "weights.safetensors").read_bytes()
    store = (folder / "model.c2pa").read_bytes()
    read = manifest.read(weights, "application/octet-stream", beside=store)
    assert not TOLD.search(json.dumps(read.assertions, default=str))
    assert json.loads(texts[CERTIFICATE])["data"]["count"] is None
    assert json.loads(texts[CONFIG])["data"]["count"] is None


def test_no_output_of_the_model_tells_it(trained):
    (trained.folder / "policy.yaml").write_text(DULL_IS_FINE)
    model = safegen.load(
        trained.folder / "model", keys=trained.folder / "keys", ledger=trained.folder / "ledger.db",
        policy=trained.folder / "policy.yaml",
    )  # fmt: skip
    release = model.generate(1, label=0, purpose="a test")
    release.save(trained.folder / "outputs")
    for path in sorted((trained.folder / "outputs").rglob("*")):
        if path.is_file():
            assert not TOLD.search(path.read_bytes().decode("latin-1")), path


def test_no_command_and_no_progress_tells_it(trained, monkeypatch):
    monkeypatch.chdir(trained.folder)
    assert not TOLD.search(trained.said)
    for command in (
        ["certificate", "show", "model"],
        ["certificate", "check", "model"],
        ["budget", "show", "--budget", "budget.db"],
        ["budget", "show", "ward", "--budget", "budget.db"],
        ["verify", "model/weights.safetensors", "--trust", "keys/root.pem"],
    ):
        done = CliRunner().invoke(build(), command)
        assert done.output, command
        assert not TOLD.search(done.output), command


def test_it_is_told_that_a_place_is_left_empty(trained, monkeypatch):
    monkeypatch.chdir(trained.folder)
    shown = CliRunner().invoke(build(), ["certificate", "show", "model"]).output
    assert "one group taken out and its place left empty" in " ".join(shown.split())
    assert "90 groups of records" in " ".join(shown.split())
    card = (trained.folder / "model" / "README.md").read_text()
    assert "for one group taken out and its place left empty" in card


def test_how_many_records_of_a_group_take_part_is_never_read_off_the_records(tmp_path):
    """Of three records in two groups four take part at most, as of any others."""
    from safegen.pipeline.train.planning import _records_per_group

    for sizes in ([1, 1], [2, 1], [1, 9]):
        count = sum(sizes)
        data = grouped(
            assemble(
                np.zeros((count, 1, 28, 28), dtype=np.uint8), np.zeros(count, dtype=np.int64),
                ("a",), name="few", source="", licence="",
            ),
            [str(group) for group, size in enumerate(sizes) for _ in range(size)],
        )  # fmt: skip
        assert _records_per_group(safegen.PrivacyConfig(), data.card) == 4
