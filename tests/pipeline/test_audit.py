import json

import numpy as np
import pytest
from typer.testing import CliRunner

import safegen
from safegen.cli.commands import build
from safegen.data.sources import load
from safegen.errors import DataError, InputError, TamperedError
from safegen.pipeline.audit import audit_package, audit_run
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import default_delta
from safegen.privacy.mechanism.lattice import Lattice
from safegen.report.audit import draw, render
from safegen.schemas.audit import AuditReport

runner = CliRunner()


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture(scope="module")
def audited(digits, tmp_path_factory, few_pictures):
    budget = str(tmp_path_factory.mktemp("audited") / "budget.db")
    with pytest.MonkeyPatch.context() as patch:
        few_pictures(patch)
        done = audit_run(digits, budget=budget, training=safegen.TrainingConfig(steps=25))
    return budget, done


def test_a_package_is_audited_without_its_records_at_no_cost(made):
    report = audit_package(made.model, trust=made.root).report
    assert report.sound
    assert report.recomputed == pytest.approx(report.epsilon)
    (attack,) = report.attacks
    assert 0 <= attack.lower_bound <= report.epsilon
    assert report.membership is None
    assert report.cost.startswith("nothing")
    assert {each.what for each in report.mechanism} >= {"steps that were counted"}


def test_with_records_it_also_tells_how_well_members_are_found(made):
    whole = load("digits")
    others = load("digits")
    report = audit_package(made.model, trust=made.root, members=whole, others=others).report
    assert 0.4 < report.membership.auc.value < 0.6  # members against themselves: chance
    assert [attack.name for attack in report.attacks] == [
        "canaries in the run",
        "membership inference",
    ]


def test_other_records_than_the_packages_are_refused(made, digits):
    other = load("digits")
    card = other.card.model_copy(update={"digest": "sha256:00"})
    strangers = type(other)(images=other.images, labels=other.labels, card=card)
    with pytest.raises(DataError, match="not the data set that the package was trained on"):
        audit_package(made.model, trust=made.root, members=strangers, others=other)


def test_a_package_of_a_stranger_is_not_audited(made, tmp_path):
    from safegen.provenance.keys import pki

    pki.init(tmp_path / "keys")
    with pytest.raises(TamperedError):
        audit_package(made.model, trust=tmp_path / "keys" / "root.pem")


def test_an_audited_run_takes_its_grant_like_any_other(audited, digits):
    budget, done = audited
    (account,) = Budget(budget).accounts()
    assert account.digest == digits.card.digest
    assert 7.5 < account.spent <= done.report.epsilon <= 8.0
    assert done.report.delta == pytest.approx(default_delta(len(digits)))  # of the whole data set
    assert [attack.name for attack in done.report.attacks] == [
        "canaries in the run",
        "canary pictures",
        "membership inference",
    ]
    assert done.report.sound
    assert "budget, like any run" in done.report.cost


def test_groups_need_held_out_records_of_other_groups(digits, tmp_path):
    from safegen.data.groups import grouped

    by_patient = grouped(digits, [str(number // 4) for number in range(len(digits))])
    with pytest.raises(InputError, match="--held-out"):
        audit_run(by_patient, budget=str(tmp_path / "budget.db"))


def test_a_broken_engine_is_reported(made, monkeypatch):
    whole = Lattice.noise
    monkeypatch.setattr(Lattice, "noise", lambda *arguments: whole(*arguments) // 2)
    done = audit_package(made.model, trust=made.root)
    assert not done.report.sound
    assert "not as planned" in render(done)


def test_the_page_shows_every_attack_and_loads_nothing(audited):
    _, done = audited
    page = render(done)
    for attack in done.report.attacks:
        assert attack.name.capitalize() in page
    assert "http" not in page.replace("http-equiv", "")
    assert draw(done).startswith(b"\x89PNG")


def test_the_command_writes_what_it_found(made, tmp_path):
    out = tmp_path / "audit"
    done = runner.invoke(
        build(), ["audit", str(made.model), "--trust", str(made.root), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "as planned" in done.output
    report = AuditReport.model_validate(json.loads((out / "audit.json").read_bytes()))
    assert report.sound
    assert {path.name for path in out.iterdir()} == {"audit.json", "audit.html", "audit.png"}


def test_the_command_fails_when_the_claim_does_not_hold(made, tmp_path, monkeypatch):
    monkeypatch.setattr(Lattice, "noise", lambda *_: np.int64(0))
    done = runner.invoke(
        build(), ["audit", str(made.model), "--trust", str(made.root), "--out", str(tmp_path / "a")]
    )
    assert done.exit_code == 1
    assert "not as planned" in done.output


def test_there_must_be_something_to_audit():
    assert isinstance(runner.invoke(build(), ["audit"]).exception, InputError)


def test_records_without_held_out_ones_are_refused(made):
    done = runner.invoke(
        build(), ["audit", str(made.model), "--trust", str(made.root), "--data", "digits"]
    )
    assert isinstance(done.exception, DataError)
    assert "--held-out" in str(done.exception)
