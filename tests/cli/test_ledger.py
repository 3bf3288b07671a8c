"""`safegen ledger` as a user types it, on a log of real releases."""

import contextlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from safegen.cli import main
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.receipt import FirstReceipt, Receipt

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"


@pytest.fixture
def say(tmp_path):
    """Call the program's own entry point in a folder of its own."""

    def call(*arguments):
        said, complained, code = io.StringIO(), io.StringIO(), 0
        with (
            contextlib.chdir(tmp_path),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(complained),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["safegen", "ledger", *map(str, arguments)])
            try:
                main()
            except SystemExit as left:
                code = left.code or 0
        assert "Traceback" not in complained.getvalue()
        return subprocess.CompletedProcess(arguments, code, said.getvalue(), complained.getvalue())

    return call


@pytest.fixture
def ledger(made, tmp_path):
    """A copy of the log in which the model and four outputs were released."""
    copy = tmp_path / "ledger.db"
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


@pytest.fixture
def grown(made, ledger, tmp_path, say):
    """The log after somebody kept a checkpoint and more was released."""
    done = say("checkpoint", ledger, "--keys", made.keys, "--out", "early.json")
    assert done.returncode == 0, done.stderr
    log = Ledger(ledger)
    log.append([log.find(first_digest(made))[0]] * 5, signer=open_signer(made.keys))
    assert say("checkpoint", ledger, "--keys", made.keys, "--out", "late.json").returncode == 0
    return ledger


def first_digest(made):
    receipt = (made.outputs / "0001.receipt.json").read_bytes()
    return Receipt.model_validate_json(receipt).file_digest


def failed(done, code, *words):
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    for word in words:
        assert word in said, said


def test_a_sound_log_is_said_to_be_sound(made, grown, say):
    done = say("check", grown, "--trust", made.root, "--checkpoint", "early.json")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "1 given say" in done.stdout
    done = say("check", grown, "--json")
    report = json.loads(done.stdout)
    assert report["faults"] == []
    assert report["signatures_checked"] is False
    hints = say("check", grown).stdout
    assert "--trust" in hints
    assert "kept elsewhere" in hints
    assert "given" not in hints


def test_a_checkpoint_is_printed_and_only_of_a_ledger_that_is_there(made, ledger, say, tmp_path):
    printed = json.loads(say("checkpoint", ledger, "--keys", made.keys).stdout)
    assert printed["format"] == "safegen.log-checkpoint/1"
    assert printed["tree_size"] == len(Ledger(ledger))
    failed(say("checkpoint", "mistyped.db", "--keys", made.keys), 2, "no ledger at mistyped.db")
    assert not (tmp_path / "mistyped.db").exists()
    pki.init(tmp_path / "other")
    failed(say("checkpoint", ledger, "--keys", "other"), 2, "was last signed by")


def test_a_changed_log_exits_with_1_and_names_the_row(made, grown, say):
    with sqlite3.connect(grown) as connection:
        connection.execute(
            "UPDATE entries SET entry = replace(entry, 'output', 'model') WHERE number = 3"
        )
    failed(say("check", grown), 1, "row 3 was edited", "no longer holds")
    report = json.loads(say("check", grown, "--json").stdout)
    assert report["faults"][0]["kind"] == "edited"
    assert report["faults"][0]["row"] == 3


def test_a_log_cut_short_is_found_by_a_checkpoint_kept_elsewhere(made, grown, say):
    with sqlite3.connect(grown) as connection:
        for table in ("entries", "nodes"):
            connection.execute(f"DELETE FROM {table} WHERE number >= 1")
        connection.execute("DELETE FROM checkpoints WHERE tree_size > 1")
    assert say("check", grown, "--trust", made.root).returncode == 0
    failed(say("check", grown, "--checkpoint", "early.json"), 1, "given checkpoint", "were cut off")


def test_a_file_is_proved_and_the_proof_is_checked_without_the_ledger(made, grown, say, tmp_path):
    file = made.outputs / "0002.png"
    for at in ([], ["--at", "early.json"]):
        done = say("prove", grown, file, *at, "--out", "logged.json")
        assert done.returncode == 0, done.stderr
        assert "is entry" in done.stdout
        checked = say("check", "--receipt", "logged.json", "--trust", made.root)
        assert checked.returncode == 0, checked.stdout
    shutil.copy(file, tmp_path / "changed.png")
    with (tmp_path / "changed.png").open("ab") as changed:
        changed.write(b"x")
    failed(say("prove", grown, "changed.png"), 2, "no entry for exactly this changed.png")


def test_a_receipt_is_held_against_a_checkpoint_fetched_elsewhere(made, grown, say, tmp_path):
    receipt = made.outputs / "0003.receipt.json"
    own = json.loads(receipt.read_text())["checkpoint"]
    (tmp_path / "own.json").write_text(json.dumps(own))
    alone = ("check", "--receipt", receipt, "--trust", made.root)
    assert say(*alone).returncode == 0
    assert say(*alone, "--checkpoint", "own.json").returncode == 0
    failed(say(*alone, "--checkpoint", "late.json"), 1, "different lengths", "--proof")
    assert say("prove", grown, "--from", "own.json", "--out", "continued.json").returncode == 0
    whole = (*alone, "--checkpoint", "late.json", "--proof", "continued.json")
    done = say(*whole)
    assert done.returncode == 0, done.stdout
    assert "in the log of the checkpoint" in done.stdout
    failed(say("prove", grown, "--from", "late.json", "--at", "early.json"), 2, "exchange --from")
    forked = json.loads((tmp_path / "late.json").read_text()) | {"root": "00" * 32}
    (tmp_path / "late.json").write_text(json.dumps(forked))
    failed(say(*whole), 1, "does not match its content", "does not lead from the one root")


def test_a_receipt_of_the_first_version_is_checked_too(made, grown, say, tmp_path):
    from safegen.provenance.keys.opener import open_signer
    from safegen.provenance.log.receipts import sign_receipt

    whole = Receipt.model_validate_json((made.outputs / "0003.receipt.json").read_bytes())
    fields = whole.model_dump(exclude={"checkpoint", "format", "signature"})
    first = sign_receipt(FirstReceipt(**fields), open_signer(made.keys))
    (tmp_path / "first.json").write_text(first.model_dump_json())
    (tmp_path / "own.json").write_text(whole.checkpoint.model_dump_json())
    done = say("check", "--receipt", "first.json", "--checkpoint", "own.json", "--trust", made.root)
    assert done.returncode == 0, done.stdout


def test_an_export_lets_a_stranger_compute_the_root(made, grown, say, tmp_path):
    """With the very lines that the page shows, in a Python that knows nothing of us."""
    done = say("export", grown, "--out", "log.jsonl")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "log.jsonl").read_bytes().splitlines()
    assert len(lines) == len(Ledger(grown)) + 1
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    def computed():
        return subprocess.run(
            [sys.executable, "-I", "-c", script, tmp_path / "log.jsonl"],
            capture_output=True,
            text=True,
            check=False,
        )

    assert computed().stdout.strip() == json.loads(lines[-1])["root"]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join([*lines[1:2], *lines[1:]]))
    assert "not those of the checkpoint" in computed().stderr


def test_an_export_of_a_changed_log_is_not_written(made, grown, say, tmp_path):
    with sqlite3.connect(grown) as connection:
        connection.execute("DELETE FROM entries WHERE number = 2")
    failed(say("export", grown, "--out", "log.jsonl"), 1, "nothing was written")
    assert not (tmp_path / "log.jsonl").exists()


def test_a_log_without_a_signed_head_says_what_to_do(say, tmp_path, made):
    Ledger(tmp_path / "new.db")
    for command in (("export", "new.db", "--out", "x"), ("prove", "new.db", made.root)):
        failed(say(*command), 2, "safegen ledger checkpoint")
    assert "Nobody signed a head yet" in say("check", "new.db").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "name a ledger"),
        (["check", "ledger.db", "--receipt", "r.json"], "name a ledger"),
        (["check", "absent.db"], "no database at absent.db"),
        (["check", "--receipt", "r.json"], "--trust"),
        (["prove", "ledger.db"], "--from"),
        (["prove", "ledger.db", "x.png", "--at", "words.json"], "is no safegen.log-checkpoint/1"),
        (["check", "ledger.db", "--checkpoint", "absent.json"], "absent.json"),
        (["check", "--receipt", "words.json", "--trust", "root.pem"], "neither a receipt nor"),
    ],
)
def test_wrong_use_is_one_sentence(made, ledger, say, tmp_path, arguments, words):
    (tmp_path / "words.json").write_text("[]")
    shutil.copy(made.root, tmp_path / "root.pem")
    failed(say(*arguments), 2, "error:", words)


def test_a_kept_checkpoint_is_never_replaced(made, ledger, say, tmp_path):
    (tmp_path / "monday.json").write_text("kept")
    done = say("checkpoint", "ledger.db", "--keys", made.keys, "--out", "monday.json")
    failed(done, 2, "monday.json is there already")
    assert (tmp_path / "monday.json").read_text() == "kept"


def put_in(path, entry):
    """Add a row with its hashes, and no head: all that somebody without keys can do."""
    from safegen.database import writing
    from safegen.provenance.log import merkle, tables
    from safegen.schemas.canonical import canonical_bytes

    log, data = Ledger(path), canonical_bytes(entry)
    with writing(log._engine) as connection:
        row = {"number": len(log), "file_digest": entry.file_digest, "entry": data}
        tables.add_rows(connection, tables.entries, [row])
        tables.add_nodes(connection, row["number"], [merkle.leaf_hash(data)])


def test_an_entry_that_nobody_signed_for_is_left_out_and_its_keeper_asked(
    made, ledger, say, tmp_path
):
    from safegen.schemas.canonical import sha256

    (tmp_path / "never.txt").write_text("never released")
    real, size = Ledger(ledger).find(first_digest(made))[0], len(Ledger(ledger))
    digest = sha256(b"never released")
    put_in(ledger, real.model_copy(update={"file_digest": digest}))
    failed(
        say("check", ledger, "--trust", made.root), 1, f"1 entry from row {size} on", "no signed"
    )
    assert json.loads(say("check", ledger, "--json").stdout)["faults"][0]["kind"] == "unsigned"
    failed(say("prove", ledger, "never.txt"), 2, "has no entry for exactly this never.txt")
    said = say("export", ledger, "--out", "log.jsonl")
    assert "Left out: 1 entries" in said.stdout
    assert digest not in (tmp_path / "log.jsonl").read_text()
    failed(say("checkpoint", ledger, "--keys", made.keys), 1, "somebody else added", "--adopt")
    assert say("checkpoint", ledger, "--keys", made.keys, "--adopt").returncode == 0
    assert say("check", ledger, "--trust", made.root).returncode == 0
    assert say("prove", ledger, "never.txt").returncode == 0


def test_a_ledger_is_backed_up_while_it_is_open(made, ledger, say, tmp_path):
    with Ledger(ledger)._engine.connect():
        done = say("backup", ledger, "copy.db", "--trust", made.root)
    assert done.returncode == 0, done.stderr
    assert "copy.db: a whole copy of" in done.stdout
    assert "passed" in done.stdout
    assert say("check", "copy.db", "--trust", made.root).returncode == 0
    failed(say("backup", ledger, "copy.db"), 2, "is there already, and is never replaced")
    pki.init(tmp_path / "other")
    foreign = ("backup", ledger, "other.db", "--trust", tmp_path / "other" / "root.pem")
    failed(say(*foreign), 1, "does not lead to a trusted root")
    assert (tmp_path / "other.db").exists()
