"""What was taken back is not trusted: files, models, keys; what was stamped before stays so."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
import time
from datetime import UTC, datetime, timedelta

import pytest

import safegen
from safegen.cli import main
from safegen.errors import InputError, KeyMaterialError, RevokedError, StorageError
from safegen.pipeline.revoke import list_for_others, revoke
from safegen.provenance.keys import pki
from safegen.schemas.canonical import sha256


class House:
    """Keys, a ledger, and files that it signed."""

    def __init__(self, folder):
        self.folder, self.keys, self.ledger = folder, folder / "keys", folder / "ledger.db"
        pki.init(self.keys, organisation="Acme")
        self.root = self.keys / pki.ROOT

    def sign(self, name, **options):
        path = self.folder / name
        path.write_text(name)
        safegen.sign(path, keys=self.keys, ledger=self.ledger, source="model-data", **options)
        return path

    def list(self):
        path = self.folder / f"revoked-{len(list(self.folder.glob('revoked-*')))}.json"
        path.write_text(list_for_others(self.ledger, self.keys).model_dump_json())
        return path

    def verify(self, path, **options):
        return safegen.verify(path, trust=self.root, **options)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def next_second():
    """Stamps and logs are dated in whole seconds: what comes now is later than what was."""
    time.sleep(1 - time.time() % 1)


def finding(verdict):
    return next(each for each in verdict.findings if each.step == "revocation")


def code(verdict):
    return finding(verdict).codes[0]


def test_a_stolen_key_s_signatures_are_not_trusted_but_those_stamped_before(house, stamps):
    early = house.sign("early.csv", time_stamps=stamps.url)
    plain = house.sign("plain.csv")
    next_second()
    stolen_since = datetime.now(UTC)
    shutil.copytree(house.keys, house.folder / "thief")
    kept = pki.rotate(house.keys)
    thief = {"keys": house.folder / "thief", "ledger": house.folder / "thief.db"}
    (house.folder / "late.csv").write_text("late")
    late = house.folder / "late.csv"
    safegen.sign(late, **thief, source="model-data", time_stamps=stamps.url)
    for path in (early, plain, late):
        assert house.verify(path).state == "trusted"  # nobody knows yet
        assert code(house.verify(path)) == "safegen.revocation.none"
    revoke(house.ledger, house.keys, key=kept, reason="keyCompromise",
           since=stolen_since.isoformat(), note="a laptop was stolen")  # fmt: skip
    new = house.sign("new.csv")
    known = {"revoked": house.list(), "time_trust": stamps.trust}
    seen = house.verify(early, **known)
    assert (seen.state, code(seen)) == ("trusted", "safegen.revocation.before")
    assert f"it was signed before at {seen.time_stamp.time}, says Acme" in finding(seen).text
    for path in (plain, late):
        seen = house.verify(path, **known)
        assert (seen.state, code(seen)) == ("invalid", "safegen.revocation.key"), path
        assert "keyCompromise: a laptop was stolen" in finding(seen).text
    seen = house.verify(new, **known)
    assert (seen.state, code(seen)) == ("trusted", "safegen.revocation.clear")
    unknown_authority = house.verify(early, revoked=known["revoked"])
    assert code(unknown_authority) == "safegen.revocation.key"  # anybody can stamp
    assert "--time-trust" in finding(unknown_authority).text


def test_the_house_itself_does_not_go_on_with_a_key_that_it_took_back(house):
    house.sign("a.csv")
    shutil.copytree(house.keys, house.folder / "old")
    kept = pki.rotate(house.keys)
    revoke(house.ledger, house.keys, key=kept, reason="keyCompromise")
    (house.folder / "b.csv").write_text("b")
    with pytest.raises(KeyMaterialError, match="is revoked since"):
        safegen.sign(house.folder / "b.csv", keys=house.folder / "old", ledger=house.ledger,
                     source="model-data")  # fmt: skip
    assert not (house.folder / "b.csv.c2pa").exists()
    with pytest.raises(KeyMaterialError, match="is revoked since"):
        list_for_others(house.ledger, house.folder / "old")
    with pytest.raises(InputError, match="revoked already"):
        revoke(house.ledger, house.keys, key=kept)


def test_a_file_is_taken_back_whatever_its_stamp(house, stamps):
    good, bad = (house.sign(name, time_stamps=stamps.url) for name in ("good.csv", "bad.csv"))
    next_second()
    made = revoke(house.ledger, house.keys, output=bad, reason="privilegeWithdrawn")
    assert made.id == sha256(bad.read_bytes())
    known = {"revoked": house.list(), "time_trust": stamps.trust}
    seen = house.verify(bad, **known)
    assert (seen.state, code(seen)) == ("invalid", "safegen.revocation.output")
    assert house.verify(good, **known).state == "trusted"
    from_ledger = house.verify(bad, ledger=house.ledger)
    assert (from_ledger.state, code(from_ledger)) == ("invalid", "safegen.revocation.output")
    assert house.verify(bad).state == "trusted"  # nobody was asked


def test_a_model_and_what_it_makes(made, tmp_path, stamps, monkeypatch):
    """By the list for others; and in the house's own ledger without any list."""
    shutil.copy(made.ledger, tmp_path / "ledger.db")
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(tmp_path / "ledger.db") as copy:
        source.backup(copy)
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db"}
    model = safegen.load(made.model, **own)
    (path,) = model.generate(1, purpose="a test", label=1, seed=0).save(tmp_path / "out")
    waiting = model.generate(1, purpose="a test", label=1, seed=0)
    made_revocation = revoke(tmp_path / "ledger.db", made.keys, model=made.model,
                             reason="privilegeWithdrawn", note="a person objected")  # fmt: skip
    assert made_revocation.id == model.digest
    for use in (
        lambda: safegen.load(made.model, **own),
        lambda: model.generate(1, purpose="a test", label=1, seed=0),
        lambda: model.unsafe_sample(1, reason="a test"),
    ):
        with pytest.raises(RevokedError, match=r"must not be used: since .*a person objected"):
            use()
    listed = tmp_path / "revoked.json"
    listed.write_text(list_for_others(tmp_path / "ledger.db", made.keys).model_dump_json())
    with pytest.raises(RevokedError, match="must not be used"):
        safegen.load(
            made.model,
            workspace=safegen.Workspace(keys=made.keys, ledger=tmp_path / "new.db"),
            revoked=listed,
        )
    typed = ["generate", made.model, "--out", tmp_path / "typed", "--purpose", "a test", "--keys",
             made.keys, "--ledger", tmp_path / "new.db", "--revoked", listed]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["safegen", *map(str, typed)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == RevokedError.exit_code
    assert not (tmp_path / "typed").exists()
    with pytest.raises(RevokedError, match=r"nothing leaves: .*a person objected"):
        waiting.save(tmp_path / "late")
    assert not list((tmp_path / "late").glob("*.png"))
    with pytest.raises(RevokedError, match="nothing leaves"):
        _ = waiting.outputs
    logs = {"ledger": tmp_path / "ledger.db"}
    assert code(safegen.verify(path, trust=made.root, **logs)) == "safegen.revocation.model"
    assert code(safegen.verify(path, **logs)) == "safegen.revocation.none"  # nobody is trusted
    for file in (path, made.model / "weights.safetensors"):
        seen = safegen.verify(file, trust=made.root, revoked=listed)
        assert (seen.state, code(seen)) == ("invalid", "safegen.revocation.model")


def test_what_was_made_from_a_revoked_model_s_outputs_is_traced(made, forge, tmp_path):
    """The picture of an explanation, and a copy that another house edited and signed."""
    ledger = tmp_path / "ledger.db"
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(ledger) as copy:
        source.backup(copy)
    output = (made.outputs / "0001.png").read_bytes()
    figure = made.outputs / "explanations" / "0001.png"
    model = safegen.load(made.model, keys=made.keys, ledger=ledger).digest
    edited = forge.signed(ingredients=[("0001.png", output)])
    again = forge.signed(ingredients=[("edited.png", edited)])
    (tmp_path / "edited.png").write_bytes(edited)
    (tmp_path / "again.png").write_bytes(again)
    lists = {}
    for name in ("before", "after"):
        lists[name] = tmp_path / f"{name}.json"
        lists[name].write_text(list_for_others(ledger, made.keys).model_dump_json())
        revoke(ledger, made.keys, model=model) if name == "before" else None
    trust = [made.root, forge.trust]
    for path in (figure, tmp_path / "edited.png", tmp_path / "again.png"):
        clear = safegen.verify(path, trust=trust, revoked=lists["before"])
        assert (clear.state, code(clear)) == ("trusted", "safegen.revocation.clear"), path
        seen = safegen.verify(path, trust=trust, revoked=lists["after"])
        assert (seen.state, code(seen)) == ("invalid", "safegen.revocation.model"), path
        assert "from which it was made, is revoked" in seen.text
    (tmp_path / "plain.png").write_bytes(forge.signed())
    other = safegen.verify(tmp_path / "plain.png", trust=trust, revoked=lists["after"])
    assert (other.state, code(other)) == ("trusted", "safegen.revocation.others")


def test_a_package_of_a_stolen_key_opens_where_the_ledger_had_it_before(made, tmp_path):
    shutil.copytree(made.keys, tmp_path / "keys")
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(tmp_path / "ledger.db") as copy:
        source.backup(copy)
    kept = pki.rotate(tmp_path / "keys")
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for ledger, date in (("late.db", None), ("ledger.db", since)):
        shutil.copy(tmp_path / "ledger.db", tmp_path / ledger) if ledger == "late.db" else None
        revoke(tmp_path / ledger, tmp_path / "keys", key=kept, reason="keyCompromise", since=date)
    safegen.load(
        made.model, workspace=safegen.Workspace(keys=tmp_path / "keys", ledger=tmp_path / "late.db")
    )
    words = r"the key that signed it is revoked .* no earlier than the --since of that revocation"
    with pytest.raises(RevokedError, match=words):
        safegen.load(
            made.model,
            workspace=safegen.Workspace(keys=tmp_path / "keys", ledger=tmp_path / "ledger.db"),
        )


def test_a_list_counts_for_its_own_house_s_files(house, forge):
    """Another's list neither clears a file nor condemns it."""
    theirs = forge.file()
    house.sign("a.csv")
    revoke(house.ledger, house.keys, output=theirs, reason="unspecified")
    seen = safegen.verify(theirs, trust=[forge.trust, house.root], revoked=house.list())
    assert (seen.state, code(seen)) == ("trusted", "safegen.revocation.others")


def test_a_list_that_is_not_believed_stops_the_verification(house):
    path = house.sign("a.csv")
    listed = house.list()
    with pytest.raises(InputError, match="--trust"):
        safegen.verify(path, revoked=listed)
    listed.write_text(listed.read_text().replace('"revocations":[]', '"revocations":[ ]'))
    assert house.verify(path, revoked=listed).state == "trusted"  # the same list in other spaces
    said = json.loads(listed.read_text()) | {"origin": "urn:uuid:another"}
    listed.write_text(json.dumps(said))
    with pytest.raises(KeyMaterialError, match="is not believed"):
        house.verify(path, revoked=listed)
    with pytest.raises(StorageError, match=r"absent\.json"):
        house.verify(path, revoked=house.folder / "absent.json")


def test_a_tree_is_held_against_the_list_too(house):
    good, bad = house.sign("good.csv"), house.sign("bad.csv")
    revoke(house.ledger, house.keys, output=bad)
    one, two = safegen.verify_tree([good, bad], trust=house.root, revoked=[house.list()])
    assert (one.state, two.state) == ("trusted", "invalid")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({}, "name one thing"), ({"model": "sha256:12", "output": "sha256:12"}, "name one thing"),
        ({"output": "sha256:12"}, "no whole digest"), ({"model": "absent"}, "absent"),
        ({"output": f"sha256:{'0' * 64}", "since": "yesterday"}, "is no date"),
        ({"output": f"sha256:{'0' * 64}", "since": "2999-01-01"}, "is not yet"),
        ({"output": f"sha256:{'0' * 64}", "note": "two\nlines"}, "one line"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_sentence_and_logs_nothing(house, named, words):
    from safegen.provenance.log.ledger import Ledger

    house.sign("a.csv")
    with pytest.raises(InputError, match=words) as refused:
        revoke(house.ledger, house.keys, **named)
    assert "\n" not in str(refused.value)
    assert len(Ledger(house.ledger)) == 1
    with pytest.raises(InputError, match="no ledger at"):
        revoke(house.folder / "absent.db", house.keys, output=house.folder / "a.csv")
    assert not (house.folder / "absent.db").exists()


def test_one_s_own_present_key_is_not_taken_back_by_itself(house):
    house.sign("a.csv")
    with pytest.raises(KeyMaterialError, match="sign with its successor"):
        revoke(house.ledger, house.keys, key=house.keys / pki.LEAF, reason="keyCompromise")


def say(folder, *arguments):
    said, complained, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("sys.argv", ["safegen", *map(os.fspath, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
    return code, said.getvalue() + complained.getvalue()


def test_theft_as_a_user_types_it(house):
    """Rotate and revoke, list, verify: what docs/keys.md tells to do."""
    path = house.sign("a.csv")
    refused = say(house.folder, "keys", "rotate", "keys", "--revoke-old", "keyCompromise")
    assert refused[0] == 2
    assert "nothing was rotated" in refused[1]
    assert not list(house.keys.glob("leaf-*"))
    code_, said = say(house.folder, "keys", "rotate", "keys", "--revoke-old", "keyCompromise",
                      "--ledger", "ledger.db")  # fmt: skip
    assert code_ == 0, said
    assert "is revoked since" in said
    code_, said = say(house.folder, "ledger", "revocations", "ledger.db", "--out", "revoked.json")
    assert (code_, "1 revoked, as of" in said) == (0, True), said
    root = ("--keys", "file:keys/root.key?chain=keys/root.pem", "--out", "by-root.json")
    code_, said = say(house.folder, "ledger", "revocations", "ledger.db", *root)
    assert (code_, "1 revoked, as of" in said) == (0, True), said
    trusting = ("verify", path, "--trust", "keys/root.pem")
    assert say(house.folder, *trusting, "--revoked", "by-root.json")[0] == 1
    shown = say(house.folder, *trusting, "--revoked", "revoked.json")
    assert shown[0] == 1
    assert "the key that signed it is revoked (keyCompromise)" in " ".join(shown[1].split())
    assert say(house.folder, *trusting)[0] == 0
    code_, said = say(house.folder, "ledger", "revoke", "ledger.db", "--output", path)
    assert (code_, "revoked since" in said) == (0, True), said
    wrong = ("ledger", "revoke", "ledger.db", "--output", path, "--reason", "bad")
    assert say(house.folder, *wrong)[0] == 2
    assert say(house.folder, "ledger", "check", "ledger.db", "--trust", "keys/root.pem")[0] == 0
