import dataclasses
import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from safegen.cli.commands import build
from safegen.data.sources import load
from safegen.errors import DataError, InputError
from safegen.evaluation.classifier import Labelled
from safegen.evaluation.protocols import PROTOCOLS
from safegen.schemas.evaluation import EvaluationReport

runner = CliRunner()


@pytest.fixture(scope="module")
def made(made_apart):
    """An evaluation writes its figures on the model card, which is everybody's."""
    return made_apart


@pytest.fixture(autouse=True, scope="module")
def _small_protocol():
    """A few steps instead of hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        small = dataclasses.replace(
            PROTOCOLS["quick"], batch=32, pictures=200, least_pictures=200, least_steps=12
        )
        patch.setitem(PROTOCOLS, "quick", small)
        yield


def test_the_command_writes_a_page_and_json(made, tmp_path):
    out = tmp_path / "evaluation"
    done = runner.invoke(
        build(),
        ["evaluate", str(made.model), "--data", "digits", "--trust", str(made.root), "--seeds", "1",
         "--samples", "1", "--keys", str(made.keys), "--ledger", str(tmp_path / "l.db"),
         "--out", str(out)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "no held-out set" in done.output
    assert "accuracy of classifiers trained on it" in done.output
    report = EvaluationReport.model_validate(json.loads((out / "evaluation.json").read_bytes()))
    assert report.held_out.seen
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "evaluation.html"}


def test_the_command_prints_json_for_programs(made, tmp_path):
    done = runner.invoke(
        build(),
        ["evaluate", str(made.model), "--data", "digits", "--trust", str(made.root), "--seeds", "1",
         "--json", "--samples", "0", "--out", str(tmp_path / "e")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert EvaluationReport.model_validate_json(done.stdout).method.seeds == (0,)


def test_the_command_fails_when_samples_stay_near_their_records(made, tmp_path, monkeypatch):
    """A generator that gives its records away, and held-out records that it never saw."""
    digits = load("digits")
    for name, start in (("members", 0), ("others", 1)):
        for place in range(start, len(digits), 2):
            folder = tmp_path / name / str(digits.labels[place])
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits.images[place, 0]).save(folder / f"{place}.png")

    def copied(_, count, __):
        rows = slice(0, 2 * count, 2)
        return Labelled(pictures=digits.images[rows], labels=digits.labels[rows])

    monkeypatch.setattr("safegen.evaluation.measure.sampled", copied)
    monkeypatch.setattr("safegen.privacy.accounting.budget.Budget.knows_as", lambda *_: True)
    done = runner.invoke(
        build(),
        ["evaluate", str(made.model), "--data", str(tmp_path / "members"), "--held-out",
         str(tmp_path / "others"), "--trust", str(made.root), "--seeds", "1", "--samples", "0",
         "--out", str(tmp_path / "e")],
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert "nearer than chance" in (tmp_path / "e" / "evaluation.html").read_text()


def test_a_missing_package_or_data_set_is_named(made, tmp_path):
    done = runner.invoke(build(), ["evaluate", str(tmp_path / "none"), "--data", "digits",
                               "--trust", str(made.root)])  # fmt: skip
    assert isinstance(done.exception, DataError)
    assert "not a model package" in str(done.exception)
    done = runner.invoke(build(), ["evaluate", str(made.model), "--data", "nothing",
                               "--trust", str(made.root)])  # fmt: skip
    assert isinstance(done.exception, DataError)
    assert "no data set 'nothing'" in str(done.exception)


def test_wrong_use_is_refused_before_any_work(made, tmp_path):
    command = ["evaluate", str(made.model), "--data", "digits", "--trust", str(made.root)]
    assert runner.invoke(build(), command[:2]).exit_code == 2  # --data is missing
    for wrong in (["--protocol", "slow"], ["--count", "1"], ["--seeds", "0"], ["--device", "tpu"]):
        done = runner.invoke(build(), [*command, *wrong, "--out", str(tmp_path / "e")])
        assert isinstance(done.exception, InputError)
    assert not (tmp_path / "e").exists()
