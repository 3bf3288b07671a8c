"""Quotas and revocations at a release: counted before, kept after, refused in every process."""

import json
import subprocess
import sys
import threading

import pytest

import safegen
from safegen.cli import main
from safegen.config.workspace import Workspace
from safegen.errors import InputError, PolicyError, Refused, RevokedError
from safegen.pipeline.quota import quota_use
from safegen.policy.load import load_policy
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.usage import Usage

POLICY = """
name: house
description: Four outputs for each actor.
extends: baseline
quotas:
  - {id: few, outputs: 4, every: ever}
rules:
  - id: no-twos
    stage: release
    require: request.label != 2
    because: Twos stay inside.
  - {id: contrast, stage: release, require: output.screens.contrast > LEAST, because: Contrast.}
"""
SECOND = """
import sys, safegen
from safegen.errors import RevokedError
model, keys, ledger, policy = sys.argv[1:]
loaded = safegen.load(
    model, workspace=safegen.Workspace(keys=keys, ledger=ledger), policy=[policy, "baseline"]
)
loaded.generate(1, purpose="x", label=1, actor="eve")
print("loaded", flush=True)
sys.stdin.readline()
try:
    loaded.generate(1, purpose="x", label=1, actor="eve")
except RevokedError as error:
    print(error, flush=True)
"""


@pytest.fixture
def house(made, tmp_path):
    class House:
        ledger, policy = tmp_path / "ledger.db", tmp_path / "house.yaml"
        workspace = Workspace(keys=made.keys, ledger=tmp_path / "ledger.db")

        def load(self, least="0.0", text=POLICY, **told):
            self.policy.write_text(text.replace("LEAST", least))
            told = {"policy": self.policy} | told
            return safegen.load(made.model, workspace=self.workspace, **told)

        def used(self):
            (use,) = quota_use(self.ledger, self.policy)
            return {each.whom["actor"]: each.outputs for each in use.used}

    return House()


def ask(model, count=1, label=1, actor="ada"):
    return model.generate(count, purpose="x", label=label, actor=actor)


def test_an_actor_has_so_many_outputs_and_no_more(house):
    model = house.load()
    ask(model, 3)
    with pytest.raises(Refused, match="few: At most 4 outputs in all are made for each actor"):
        ask(model, 2)
    with pytest.raises(Refused, match="few"):
        ask(model, actor="")
    ask(model, 1)
    ask(model, 4, actor="bob")
    with pytest.raises(Refused, match="few"):
        ask(house.load(), actor="ADA")  # another process would see the same
    assert house.used() == {"ada": 4, "bob": 4}
    assert len(Ledger(house.ledger)) == 3  # the refusals; nothing else left


def test_what_is_refused_is_not_counted_and_what_was_made_stays_counted(house):
    with pytest.raises(Refused, match="no-twos"):
        ask(house.load(), label=2)  # foreseen: nothing was made
    assert house.used() == {}
    with pytest.raises(Refused, match="contrast"):
        ask(house.load(least="2.0"), 3)  # made, and then refused
    assert house.used() == {"ada": 3}


def test_a_policy_that_is_edited_counts_what_was_made_before(house):
    ask(house.load(), 4)
    text = POLICY.replace("name: house", "name: other").replace("few", "newer")
    with pytest.raises(Refused, match="newer"):
        ask(house.load(text=text))


def test_threads_of_one_model_never_get_one_too_many(house):
    model, got, lock = house.load(), [], threading.Lock()

    def take():
        try:
            release = ask(model)
        except Refused:
            return
        with lock:
            got.append(release)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(got) == 4


def test_a_database_that_goes_away_refuses_by_the_quota_s_name(house, monkeypatch):
    model = house.load()

    def gone(*_, **__):
        from safegen.errors import StorageError

        raise StorageError("cannot use the database: gone; nothing was written")

    monkeypatch.setattr(Usage, "counting", gone)
    with pytest.raises(Refused, match=r"few.*quota.used.few is not known; the database") as error:
        ask(model)
    assert "gone" in str(error.value.__cause__)


def test_a_ledger_that_was_removed_makes_nothing(house):
    model = house.load()
    ask(model)
    for path in house.ledger.parent.glob("ledger.db*"):
        path.unlink()
    house.ledger.mkdir()
    with pytest.raises(InputError, match="was removed or replaced since it was opened"):
        ask(model)


def test_a_model_and_a_policy_that_another_process_has_loaded_are_refused(house, made):
    house.load()
    for what, named, words in (
        ("policy", house.policy, "policy house must not be used: it is revoked since"),
        ("model", made.model, "must not be used: since"),
    ):
        ledger = house.ledger.with_name(f"{what}.db")
        second = subprocess.Popen(
            [sys.executable, "-c", SECOND, made.model, made.keys, ledger, house.policy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stdout.readline() == "loaded\n", second.stderr.read()
        place = Workspace(keys=made.keys, ledger=ledger)
        safegen.revoke(what, named, workspace=place, reason="superseded", note="too lax")
        said, complained = second.communicate("go\n", timeout=120)
        assert words in said, complained
        assert "superseded: too lax" in said


def test_a_revoked_policy_is_refused_under_every_name_it_is_used_by(house, made, tmp_path):
    model = house.load()
    waiting = ask(model)
    (path,) = ask(model).save(tmp_path / "out")
    safegen.revoke("policy", "baseline", workspace=house.workspace)
    with pytest.raises(RevokedError, match=r"sha256:\w+, which house extends, must not be used"):
        house.load()
    with pytest.raises(RevokedError, match="policy baseline must not be used"):
        house.load(policy=["baseline", house.policy])
    with pytest.raises(RevokedError, match="must not be used"):
        ask(model)
    with pytest.raises(RevokedError, match="nothing leaves"):
        waiting.save(tmp_path / "late")
    safegen.revoke("policy", house.policy, workspace=house.workspace)
    verdict = safegen.verify(path, trust=made.root, ledger=house.ledger)
    assert verdict.state == "invalid"
    assert "safegen.revocation.policy" in [code for f in verdict.findings for code in f.codes]
    listed = [(each.what, each.id) for each in safegen.revocations(house.ledger)]
    assert listed == [
        ("policy", load_policy("baseline").digest), ("policy", load_policy(house.policy).digest)
    ]  # fmt: skip


def test_what_is_not_known_is_not_revoked(house, made):
    house.load()
    size = len(Ledger(house.ledger))
    for what, named, words in (
        ("policy", "basline", "did you mean baseline"),
        ("policy", f"sha256:{'0' * 64}", "no entry of this ledger names the policy"),
        ("model", "absent", "absent is not a model package"),
        ("model", f"sha256:{'1' * 64}", "no entry of this ledger names the model"),
        ("output", f"sha256:{'2' * 64}", "no entry of this ledger names the output"),
        ("output", "absent.png", r"absent\.png"),
        ("key", made.keys / "root.key", "no certificate"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            safegen.revoke(what, named, workspace=house.workspace)
        assert "\n" not in str(refused.value)
    assert len(Ledger(house.ledger)) == size
    with pytest.raises(PolicyError, match="has no quotas"):
        safegen.quota_use(house.ledger, "baseline")


def typed(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["safegen", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, capsys.readouterr()


def test_all_of_it_typed(house, made, monkeypatch, capsys):
    model = house.load()
    ask(model, 3, actor="Ada").save(house.ledger.parent / "out")
    ledger = ("--ledger", house.ledger)
    code, said = typed(monkeypatch, capsys, "quota", "show", "--policy", house.policy, *ledger)
    assert (code, "ada: 3 used, 1 left" in said.out) == (0, True)
    code, said = typed(
        monkeypatch, capsys, "quota", "show", "--policy", house.policy, *ledger, "--json",
        "--actor", "bob",
    )  # fmt: skip
    assert (code, json.loads(said.out)[0]["used"]) == (0, [])
    code, said = typed(monkeypatch, capsys, "revocations", *ledger)
    assert "takes nothing back" in said.out
    keys = ("--keys", made.keys, "--reason", "superseded", "--note", "too lax")
    code, said = typed(monkeypatch, capsys, "revoke", "policy", house.policy, *keys, *ledger)
    assert code == 0
    code, said = typed(monkeypatch, capsys, "revoke", "model", model.digest, *keys, *ledger)
    assert code == 0
    code, said = typed(monkeypatch, capsys, "revocations", *ledger, "--json")
    assert [each["what"] for each in json.loads(said.out)] == ["policy", "model"]
    code, said = typed(monkeypatch, capsys, "revocations", *ledger)
    assert "superseded: too lax" in said.out
    code, said = typed(monkeypatch, capsys, "revoke", "policy", house.policy, *keys, *ledger)
    assert (code, "is revoked already" in said.err) == (2, True)
