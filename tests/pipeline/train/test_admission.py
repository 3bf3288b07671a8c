"""What a budget has no room for is refused at once, and what is worth little is said before."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import safegen
from safegen.errors import BudgetRefused, FewRecordsWarning
from safegen.pipeline.evaluate import _notes
from safegen.pipeline.train.admission import few_records, require_admission
from safegen.pipeline.train.planning import plan_for, preset_for
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import Workload, plan_within

COUNT = 600


@pytest.fixture
def scans():
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
    return safegen.DataSet.from_arrays(pixels, np.arange(COUNT) % 2, name="scans")


@pytest.fixture
def budget(tmp_path, scans):
    """Of which half is spent."""
    spent = Budget(str(tmp_path / "budget.db"))
    half = plan_within(
        Workload(units=COUNT, expected_batch_size=60, steps=100, clipping_norm=1.0), epsilon=6.0
    )
    spent.grant(half, scans.card)
    return spent


def admit(scans, budget, steps=None, **promised):
    privacy, training = safegen.PrivacyConfig(**promised), safegen.TrainingConfig(steps=steps)
    require_admission(scans.card, None, privacy, training, budget)


def test_the_epsilon_that_is_named_fits_the_run_that_was_wished(budget, scans):
    with pytest.raises(BudgetRefused, match="needs more than is left") as refused:
        admit(scans, budget, epsilon=9.0)
    fits = float(str(refused.value).split("an --epsilon of ")[1].split()[0])
    assert fits > 10 - 6
    privacy, training = safegen.PrivacyConfig(epsilon=fits), safegen.TrainingConfig()
    chosen = preset_for(privacy, training, scans.card)
    budget.require_room(plan_for(privacy, training, chosen, scans.card), scans.card)
    with pytest.raises(BudgetRefused):
        admit(scans, budget, epsilon=1.1 * fits)


def test_what_may_fit_is_left_to_the_plan(budget, scans):
    admit(scans, budget, epsilon=4.0)
    admit(scans, budget, steps=1, epsilon=9.0, noise_multiplier=50.0)


def test_given_noise_is_counted_as_what_it_costs(budget, scans):
    with pytest.raises(BudgetRefused, match="an --epsilon of"):
        admit(scans, budget, steps=300, epsilon=9.0, noise_multiplier=1.0)


REFUSED = """
import sys
from safegen.cli import main
try:
    main()
except SystemExit as left:
    print(left.code, "torch" in sys.modules)
"""


def test_the_command_refuses_before_torch_is_there_and_a_total_is_set_before_the_first_run(
    tmp_path, scans
):
    np.savez(tmp_path / "scans.npz", train_images=scans.images[:, 0], train_labels=scans.labels)
    budget = ("--budget", str(tmp_path / "budget.db"))

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", REFUSED, *arguments, *budget],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout, " ".join(done.stderr.split())

    said, _ = run("budget", "set", "scans.npz", "--epsilon", "2")
    assert "scans may spend epsilon 2 in all" in said
    told, why = run("train", "scans.npz", "--out", "model", "--epsilon", "8")
    assert "3 False" in told
    assert "a total budget of epsilon 2 and has spent 0" in why
    assert "an --epsilon of 2 fits" in why
    assert not (tmp_path / "model").exists()


@pytest.mark.benchmark
def test_a_refusal_takes_less_than_two_seconds(tmp_path, budget, scans):
    """On a machine that does nothing else."""
    np.savez(tmp_path / "scans.npz", train_images=scans.images[:, 0], train_labels=scans.labels)
    place = str(tmp_path / "budget.db")
    command = ("train", "scans.npz", "--out", "model", "--epsilon", "8", "--budget", place)
    subprocess.run([sys.executable, "-c", REFUSED, *command], cwd=tmp_path, check=True)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", REFUSED, *command], cwd=tmp_path, check=True)
    took = time.monotonic() - began
    print(f"\nrefused after {took:.2f} s")
    assert took < 2


def test_records_that_are_too_few_for_their_classes_are_told_from_what_is_public(scans):
    said = few_records(scans.card, 1.0)
    assert said is not None
    assert "600 records in 2 classes are 300 a class" in said
    assert "an epsilon of 8.3 or more" in said
    assert few_records(scans.card, 8.4) is None
    fewer = safegen.DataSet.from_arrays(scans.images[:40], np.arange(40) % 2, name="scans")
    assert "an epsilon of 125 or more" in str(few_records(fewer.card, 4.0))
    one = safegen.DataSet.from_arrays(scans.images, name="scans")
    assert few_records(one.card, 0.1) is None  # there is nothing to tell apart
    skewed = safegen.DataSet.from_arrays(scans.images, np.arange(COUNT) // 599, name="scans")
    assert few_records(skewed.card, 1.0) == said  # how many a class really has is private


def test_training_on_python_data_warns_first_and_is_counted_like_any(made, tmp_path, scans):
    place = str(tmp_path / "budget.db")
    with pytest.warns(FewRecordsWarning, match="300 a class"):
        model = safegen.train(
            scans, out=tmp_path / "model", epsilon=3.0, steps=3, batch=32, canaries=0,
            noise_multiplier=6.0, prior="none", keys=made.keys,
            ledger=tmp_path / "ledger.db", budget=place,
        )  # fmt: skip
    assert model.certificate.data.name == "scans"
    (account,) = Budget(place).accounts()
    assert (account.name, account.digest, account.runs) == ("scans", scans.card.digest, 1)


def test_worse_than_guessing_is_a_note(scans):
    def found(accuracy):
        utility = SimpleNamespace(
            synthetic=SimpleNamespace(accuracy=SimpleNamespace(mean=accuracy)), by_guessing=0.435
        )
        return SimpleNamespace(utility=utility, neighbours=object())

    records = SimpleNamespace(notes=(), data=scans, held_out=SimpleNamespace(seen=False))
    bench = SimpleNamespace(records=records)
    (note,) = _notes(bench, found(0.2975), same_records=True)
    assert note.startswith("What classifiers learn from it is worse than guessing")
    assert "would reach 43.5%" in note
    assert _notes(bench, found(0.52), same_records=True) == ()
