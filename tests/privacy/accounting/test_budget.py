import functools
import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sql

from safegen.errors import BudgetRefused, StorageError
from safegen.privacy.accounting import events
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import PrivacyPlan, Workload, plan_within
from safegen.privacy.accounting.room import Room
from safegen.schemas.card import DataCard, PictureShape


def card(**changes):
    fields = {
        "name": "patients",
        "source": "a hospital",
        "licence": "none",
        "count": 1000,
        "shape": PictureShape(channels=1, height=28, width=28),
        "classes": ("well", "ill"),
        "digest": "sha256:aa",
        "units": 1000,
    }
    return DataCard(**(fields | changes))


@functools.cache
def plan(epsilon):
    return plan_within(
        Workload(units=1000, expected_batch_size=100, steps=20, clipping_norm=1.0), epsilon=epsilon
    )


def test_grants_add_up_and_the_last_of_a_budget_is_refused(url):
    budget = Budget(url)
    first = budget.grant(plan(6.0), card())
    assert 5.9 < first.spent <= 6.0
    with pytest.raises(BudgetRefused, match="total budget of epsilon 10"):
        budget.grant(plan(9.0), card())
    (account,) = budget.accounts()
    assert account.runs == 1
    assert account.spent == pytest.approx(first.spent)


def test_two_noise_multipliers_at_one_sampling_probability_are_two_events(url):
    """Composed one beside the other, as dp-accounting alone composes them; neither takes the
    other's place."""
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    def at(noise_multiplier, steps):
        return PrivacyPlan(
            epsilon=9.0, delta=1e-5, units=1000, expected_batch_size=100, steps=steps,
            clipping_norm=1.0, noise_multiplier=noise_multiplier,
        )  # fmt: skip

    budget, plans = Budget(url), (at(2.0, 30), at(4.0, 60), at(2.0, 10))
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    for each in plans:
        budget.grant(each, card())
        step = dp_accounting.GaussianDpEvent(each.noise_multiplier)
        accountant.compose(dp_accounting.PoissonSampledDpEvent(0.1, step), each.steps)
    (account,) = budget.accounts()
    assert account.planned == pytest.approx(accountant.get_epsilon(account.delta), abs=1e-4)
    alone = [events.epsilon_of(each.events(), account.delta) for each in plans]
    assert max(alone) < account.planned < account.spent < sum(alone)


def test_what_would_be_refused_is_known_before_any_work(url):
    budget = Budget(url)
    budget.require_room(plan(9.0), card())  # nothing is known of the data set yet
    budget.grant(plan(6.0), card())
    budget.require_room(plan(3.0), card())
    with pytest.raises(BudgetRefused, match="total budget of epsilon 10"):
        budget.require_room(plan(9.0), card())
    (account,) = budget.accounts()
    assert account.runs == 1  # nothing was taken


def test_what_an_interrupted_run_was_granted_stays_spent(url):
    Budget(url).grant(plan(9.0), card())
    with pytest.raises(BudgetRefused):
        Budget(url).grant(plan(9.0), card())


def test_settling_gives_back_what_did_not_run(url):
    budget = Budget(url)
    granted = plan(9.0)
    grant = budget.grant(granted, card())
    budget.settle(grant.number, granted.events(1))
    (account,) = budget.accounts()
    assert account.spent < 5
    budget.grant(plan(5.0), card())


def test_a_grant_is_settled_once_and_never_with_nothing(url, tmp_path):
    budget = Budget(url)
    granted = plan(9.0)
    grant = budget.grant(granted, card())
    with pytest.raises(StorageError, match="nothing ran"):
        budget.settle(grant.number, ())
    budget.settle(grant.number, granted.events())
    budget.settle(grant.number, granted.events())  # after a crash, once more
    with pytest.raises(StorageError, match="settled otherwise"):
        budget.settle(grant.number, granted.events(1))
    with pytest.raises(StorageError):
        Budget(str(tmp_path / "other.db")).settle(grant.number, granted.events())
    (account,) = budget.accounts()
    assert account.spent > 8.9


def test_the_ledger_of_spending_is_for_its_owner_only(sqlite_url):
    Budget(sqlite_url)
    assert Path(sqlite_url).stat().st_mode & 0o077 == 0


def test_early_stopping_is_granted_no_more_than_it_may_spend(url):
    stops_early = plan_within(
        Workload(units=1000, expected_batch_size=100, steps=5000, clipping_norm=1.0),
        epsilon=5.0,
        noise_multiplier=1.0,
    )
    assert Budget(url).grant(stops_early, card()).spent <= 5.0


def test_an_owner_may_raise_the_total(url):
    budget = Budget(url)
    budget.grant(plan(9.0), card())
    budget.set_total("sha256:aa", 30.0)
    budget.grant(plan(9.0), card())


def test_what_cannot_be_compared_with_a_total_is_refused():
    room = Room(name="scans", digest="sha256:aa", public=False, total=math.nan, delta=1e-5)
    with pytest.raises(BudgetRefused, match="total budget of epsilon nan"):
        room.require(plan(1.0))


def test_a_public_benchmark_is_recorded_but_not_limited(url):
    budget = Budget(url)
    for _ in range(3):
        budget.grant(plan(9.0), card(public=True))
    (account,) = budget.accounts()
    assert account.runs == 3
    assert account.spent > 10


def test_the_salt_is_the_data_sets_own(url):
    budget = Budget(url)
    one = budget.grant(plan(1.0), card())
    same = budget.grant(plan(1.0), card())
    other = budget.grant(plan(1.0), card(digest="sha256:bb"))
    assert one.salt == same.salt != other.salt
    assert len(one.salt) == 32


RACER = """
import sys
from safegen.errors import BudgetRefused
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.schemas.card import DataCard, PictureShape

plan = PrivacyPlan(
    epsilon=8.0, delta=float(sys.argv[2]), units=1000, expected_batch_size=100, steps=20,
    clipping_norm=1.0, noise_multiplier=float(sys.argv[3]),
)
card = DataCard(
    name="patients", source="", licence="", count=1000, units=1000, digest="sha256:aa",
    shape=PictureShape(channels=1, height=28, width=28), classes=("well", "ill"),
)
budget = Budget(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    budget.grant(plan, card)
    print("granted")
except BudgetRefused:
    print("refused")
"""


def test_of_two_processes_racing_for_the_last_of_a_budget_one_gets_it(url):
    whole = plan(8.0)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, url, str(whole.delta), str(whole.noise_multiplier)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n", "ready\n"]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(racer.communicate()[0] for racer in racers) == ["granted\n", "refused\n"]


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "budget.db"
    path.write_bytes(b"not a database at all, only words" * 50)
    with pytest.raises(StorageError, match=r"budget\.db.*not a database"):
        Budget(str(path))
    assert path.read_bytes().startswith(b"not a database")


def test_a_locked_database_refuses_and_writes_nothing(sqlite_url):
    budget = Budget(sqlite_url)
    held = sqlite3.connect(sqlite_url, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with budget._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with pytest.raises(StorageError, match="nothing was written"):
        budget.grant(plan(1.0), card())
    held.execute("ROLLBACK")
    assert budget.accounts() == ()


def test_a_data_set_keeps_to_one_privacy_unit(url):
    """Hiding a group is not hiding one record of it at the same cost, so they do not add up."""
    budget = Budget(url)
    budget.grant(plan(1.0), card())
    with pytest.raises(BudgetRefused, match="spent by record and cannot spend by group"):
        budget.grant(plan(1.0), card(unit="group", units=500))
    (account,) = budget.accounts()
    assert (account.runs, account.unit) == (1, "record")


def test_a_ledger_from_before_there_were_units_is_taken_over(url):
    budget = Budget(url)
    budget.grant(plan(1.0), card())
    with budget._engine.connect() as old:
        old.exec_driver_sql("ALTER TABLE data_sets DROP COLUMN unit")
        old.exec_driver_sql("ALTER TABLE grants DROP COLUMN token")
        old.commit()
    (account,) = Budget(url).accounts()
    assert (account.runs, account.unit) == (1, "record")


def test_a_run_that_asks_again_has_the_grant_that_it_has(url):
    budget = Budget(url)
    first = budget.grant(plan(6.0), card(), token="a run")
    again = Budget(url).grant(plan(6.0), card(), token="a run")
    assert again.number == first.number
    with pytest.raises(BudgetRefused):
        budget.grant(plan(9.0), card(), token="another run")
    (account,) = budget.accounts()
    assert account.runs == 1


def test_a_ledger_that_may_only_be_read_refuses_and_stays_as_it_is(sqlite_url):
    url = sqlite_url
    Budget(url).grant(plan(1.0), card())
    budget = Budget(url)
    sql.event.listen(budget._engine, "checkout", lambda raw, *_: raw.execute("PRAGMA query_only=1"))
    with pytest.raises(StorageError, match="readonly database; nothing was written"):
        budget.grant(plan(1.0), card())
    (account,) = Budget(url).accounts()
    assert account.runs == 1


def test_a_first_run_may_cost_the_whole_total(url):
    """It is chosen before anything was published, so what it costs alone is what it costs."""
    budget = Budget(url)
    assert 9.9 < budget.grant(plan(10.0), card()).spent <= 10
    with pytest.raises(BudgetRefused, match="no run fits any more"):
        budget.grant(plan(0.1), card())


def test_the_whole_total_is_kept_to_before_any_account_is_there(url):
    with pytest.raises(BudgetRefused, match="an --epsilon of 10 fits"):
        Budget(url).require_room(plan(12.0), card())


def test_runs_one_after_another_cost_more_than_planned_ones_and_both_are_told(url):
    budget = Budget(url)
    for _ in range(2):
        budget.grant(plan(3.0), card())
    (account,) = budget.accounts()
    assert account.planned < account.spent < 1.3 * account.planned
    first, second = budget.runs("sha256:aa")
    assert first.spent == first.planned == first.epsilon
    assert second.spent == account.spent > second.planned == account.planned
    assert first.epsilon == second.epsilon


@pytest.mark.parametrize("spent", [4.0, 8.0])
def test_the_epsilon_that_a_refusal_names_fits_and_hardly_more_does(sqlite_url, spent):
    budget = Budget(sqlite_url)
    budget.grant(plan(spent), card())
    with pytest.raises(BudgetRefused, match="an --epsilon of") as refused:
        budget.require_room(plan(9.5), card())
    fits = float(str(refused.value).split("an --epsilon of ")[1].split()[0])
    assert fits > 10 - spent  # what is left by composing is more than what is left by subtracting
    with pytest.raises(BudgetRefused):
        budget.require_room(plan(1.12 * fits), card())
    budget.grant(plan(fits), card())


def test_a_total_may_be_set_before_the_first_run_and_binds_it(url):
    budget = Budget(url)
    budget.open(card())
    budget.set_total("sha256:aa", 2.0)
    with pytest.raises(BudgetRefused, match=r"total budget of epsilon 2 .*an --epsilon of 2 fits"):
        budget.grant(plan(3.0), card())
    (account,) = budget.accounts()
    assert (account.runs, account.total, account.spent, account.planned) == (0, 2.0, 0.0, 0.0)
    groups = card(unit="group", units=500)
    budget.require_unit(groups, "sha256:grouping")
    small = plan_within(
        Workload(units=500, expected_batch_size=50, steps=5, clipping_norm=1.0, unit="group"),
        epsilon=1.0,
    )
    budget.grant(small, groups, grouping="sha256:grouping")  # the first run decides the unit
    (account,) = budget.accounts()
    assert (account.unit, account.delta) == ("group", small.delta)


def test_what_an_earlier_version_granted_counts_by_its_events(url):
    budget = Budget(url)
    for _ in range(2):
        budget.grant(plan(4.0), card())
    (now,) = budget.accounts()
    with budget._engine.connect() as old:
        old.exec_driver_sql("ALTER TABLE grants DROP COLUMN mu")
        old.exec_driver_sql("ALTER TABLE grants DROP COLUMN alone")
        old.commit()
    again = Budget(url)
    assert again.accounts() == (now,)
    assert again.room(card()) == budget.room(card())
    with pytest.raises(BudgetRefused):
        again.grant(plan(8.0), card())
    again.grant(plan(1.0), card())


def test_a_run_that_is_settled_counts_what_it_ran(url):
    budget = Budget(url)
    granted = plan(6.0)
    numbers = [budget.grant(plan(2.0), card()).number, budget.grant(granted, card()).number]
    before = budget.room(card()).mus
    budget.settle(numbers[1], granted.events(2))
    after = budget.room(card()).mus
    assert after[0] == before[0]
    assert after[1] < before[1]


def test_more_units_make_delta_smaller_and_every_run_is_counted_anew(url):
    budget = Budget(url)
    budget.grant(plan(2.0), card(units=500, count=500))
    before = budget.room(card()).mus
    budget.grant(plan(2.0), card())
    (account,) = budget.accounts()
    assert account.delta == plan(2.0).delta
    assert budget.room(card()).mus[0] > before[0]
