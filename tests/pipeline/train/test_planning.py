"""What a run would cost, before it: the same plan, no grant, no torch, nothing left."""

import subprocess
import sys

import pytest

import safegen
from safegen import InputError, PrivacyConfig, TrainingConfig
from safegen.errors import DataError
from safegen.privacy.accounting.budget import Budget


def test_the_plan_is_the_one_that_a_run_is_certified_for(made, model):
    steps, *_ = model.certificate.events
    asked = TrainingConfig(steps=steps.count, pretraining="none")
    plan = safegen.plan("digits", training=asked)
    assert plan.events() == model.certificate.events
    assert plan.delta == model.certificate.delta
    assert plan.costs() <= plan.epsilon == PrivacyConfig().epsilon


def test_less_epsilon_is_more_noise():
    one, four = (safegen.plan("digits", PrivacyConfig(epsilon=each)) for each in (1, 4))
    assert one.noise_multiplier > four.noise_multiplier
    assert [each.purpose for each in one.releases] == ["latents"]


def test_records_of_a_group_need_groups():
    with pytest.raises(InputError, match="records_per_group was given and no groups"):
        safegen.plan("digits", PrivacyConfig(records_per_group=2))


def test_a_delta_that_fits_no_data_set_so_large_is_refused():
    with pytest.raises(InputError, match="below 1/n"):
        safegen.plan("digits", PrivacyConfig(delta=0.01))


def test_pictures_to_learn_from_that_are_not_there_are_refused():
    with pytest.raises(DataError, match="no pretraining 'crayons': choose auto, none, strokes"):
        safegen.plan("digits", training=TrainingConfig(pretraining="crayons"))


def test_pictures_by_code_are_those_that_can_be_chosen():
    from typing import get_args

    from safegen.schemas.choices import Drawn
    from safegen.training.pretraining_sources import PRIORS

    assert tuple(PRIORS) == get_args(Drawn)


COMMAND = """
import sys
from safegen.cli import main
try:
    main()
except SystemExit as left:
    print(left.code, "torch" in sys.modules)
"""


def planned(*typed, cwd):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "plan", *typed],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_the_command_has_a_line_for_each_epsilon_and_spends_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SAFEGEN_BUDGET", str(tmp_path / "budget.db"))
    said, _ = planned("digits", "--epsilon", "1,4,8", cwd=tmp_path)
    rows = [line.split() for line in said.splitlines()]
    assert [row[0] for row in rows if row and row[0] in {"1", "4", "8"}] == ["1", "4", "8"]
    assert rows[-1] == ["0", "False"]  # without torch
    assert "one of 1,797 records of digits" in " ".join(said.split())
    assert not list(tmp_path.iterdir())
    assert Budget().accounts() == ()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--epsilon", "1,x"], "--epsilon is '1,x'"),
        (["--epsilon", ""], "give a number"),
        (["--epsilon=-1"], "epsilon is -1"),
        (["--prior", "crayons"], "no pretraining 'crayons'"),
        (["--noise-multiplier", "0.3", "--epsilon", "0.1"], "pay for one step"),
    ],
)
def test_the_command_refuses_nonsense_in_one_sentence(tmp_path, typed, words):
    said, why = planned("digits", *typed, cwd=tmp_path)
    assert said.split()[-2:] == ["2", "False"]
    complaint = next(line for line in why.splitlines() if line.startswith("error:"))
    assert words in complaint
