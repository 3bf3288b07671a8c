"""Logs and receipts speak for their own house's files; others' they leave as they are."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sql

import safegen
from safegen.errors import InputError
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log import merkle, tables
from safegen.provenance.log.checkpoints import sign_checkpoint
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.receipts import sign_receipt
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.receipt import FirstReceipt, Receipt


@dataclass
class House:
    """Keys, and a ledger that is begun when it is first asked for."""

    folder: Path

    @property
    def root(self):
        return self.folder / "keys" / pki.ROOT

    @property
    def signer(self):
        return open_signer(self.folder / "keys")

    @property
    def place(self):
        return self.folder / "ledger.db"

    def enter(self, entry):
        return Ledger(self.place).append([entry], signer=self.signer)


@pytest.fixture
def other(tmp_path):
    """Another house, whose certificates have the same names as those of `made`."""
    pki.init(tmp_path / "other" / "keys")
    return House(tmp_path / "other")


@pytest.fixture
def own(made, tmp_path):
    """The house of `made` after a rotation, with a ledger of its own."""
    shutil.copytree(made.keys, tmp_path / "own" / "keys")
    pki.rotate(tmp_path / "own" / "keys")
    return House(tmp_path / "own")


@pytest.fixture
def output(made, tmp_path):
    for name in ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, tmp_path)
    return tmp_path / "0001.png"


def receipt_of(output):
    return output.with_name(f"{output.stem}.receipt.json")


def given(output):
    return Receipt.model_validate_json(receipt_of(output).read_bytes())


def sign_again(output, *, receipt_by, head_by):
    """The true receipt's statements, logged and signed by whoever."""
    entry = given(output).entry
    logged = head_by.enter(entry)
    made = given(output).model_copy(
        update={"proof": logged.proofs[0], "checkpoint": logged.checkpoint, "signature": None}
    )
    signed = sign_receipt(made, receipt_by.signer)
    receipt_of(output).write_text(signed.model_dump_json())


def ledger_finding(verdict):
    return next(each for each in verdict.findings if each.step == "ledger")


def code(verdict):
    return ledger_finding(verdict).codes[0]


def test_a_receipt_by_another_trusted_house_is_not_believed(made, other, output):
    sign_again(output, receipt_by=other, head_by=other)
    both = [made.root, other.root]
    verdict = safegen.verify(output, trust=both)
    assert (verdict.state, code(verdict)) == ("invalid", "safegen.ledger.contradicted")
    assert "it is signed by another house than the file" in ledger_finding(verdict).text
    assert safegen.verify(output, trust=both, ledger=made.ledger).state == "invalid"
    alone = safegen.verify(output, trust=made.root)
    assert "does not lead to a trusted root" in ledger_finding(alone).text
    for trust in (both, made.root):
        seen = safegen.verify(output, trust=trust, witness=other.root)
        assert (seen.state, code(seen)) == ("trusted", "safegen.ledger.receipt")


def test_neither_is_a_head_by_another_house_in_a_receipt_of_ours(made, other, own, output):
    sign_again(output, receipt_by=own, head_by=other)
    verdict = safegen.verify(output, trust=[made.root, other.root])
    assert code(verdict) == "safegen.ledger.contradicted"
    assert "the head of the ledger in it is signed by another" in ledger_finding(verdict).text


def test_a_successor_of_the_key_speaks_for_what_it_signed(made, own, output):
    sign_again(output, receipt_by=own, head_by=own)
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert (verdict.state, code(verdict)) == ("trusted", "safegen.ledger.released")


def test_a_witness_vouches_for_logs_and_for_nobody_s_files(made, other, forge):
    path = forge.file()
    assert safegen.verify(path, witness=forge.trust).state == "valid"
    assert safegen.verify(path, trust=made.root, witness=forge.trust).state == "valid"


@pytest.mark.parametrize("field", ["manifest", "model"])
def test_a_receipt_of_another_manifest_or_model_is_not_this_one_s(made, own, output, field):
    value = "urn:c2pa:another" if field == "manifest" else f"sha256:{'0' * 64}"
    changed = given(output).model_copy(update={field: value, "signature": None})
    receipt_of(output).write_text(sign_receipt(changed, own.signer).model_dump_json())
    verdict = safegen.verify(output, trust=made.root)
    assert code(verdict) == "safegen.ledger.contradicted"


def test_others_sound_files_stay_what_they_are(made, forge, own, other):
    """That our ledger has no such file says nothing: most files are not ours."""
    theirs = forge.file()
    verdict = safegen.verify(theirs, trust=[forge.trust, made.root], ledger=made.ledger)
    assert (verdict.state, code(verdict)) == ("trusted", "safegen.ledger.elsewhere")
    Ledger(other.place)
    several = [made.ledger, other.place, own.place]
    own.enter(given_entry(made))
    verdict = safegen.verify(theirs, trust=[forge.trust, made.root], ledger=several)
    assert verdict.state == "trusted"
    for each in several:
        assert f"{each} has no such file" in ledger_finding(verdict).text


def given_entry(made):
    return given(made.outputs / "0001.png").entry


def test_what_safegen_signed_for_a_house_is_in_its_ledger_or_false(made, tmp_path):
    """A file of ours that our ledger lacks was changed, or signed by a thief."""
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    safegen.sign(path, keys=made.keys, ledger=tmp_path / "l.db", source="model-data")
    missing = safegen.verify(path, trust=made.root, ledger=made.ledger)
    assert (missing.state, code(missing)) == ("invalid", "safegen.ledger.unknown")
    assert "not a file that was released" in ledger_finding(missing).text
    several = safegen.verify(path, trust=made.root, ledger=[made.ledger, tmp_path / "l.db"])
    assert (several.state, code(several)) == ("trusted", "safegen.ledger.released")
    assert str(made.ledger) in ledger_finding(several).text
    assert str(tmp_path / "l.db") in ledger_finding(several).text


def test_a_receipt_says_in_which_of_its_house_s_ledgers_a_file_is(made, own, output):
    own.enter(given_entry(made).model_copy(update={"file_digest": "another"}))
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert (verdict.state, code(verdict)) == ("trusted", "safegen.ledger.receipt")
    assert f"{own.place} has no such file" in ledger_finding(verdict).text
    receipt_of(output).unlink()
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert (verdict.state, code(verdict)) == ("invalid", "safegen.ledger.unknown")


def test_a_ledger_that_a_receipt_names_and_that_lacks_the_file_was_rewritten(made, output):
    copy = output.with_name("copy.db")
    with sqlite3.connect(made.ledger) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    with sqlite3.connect(copy) as connection:
        for table in ("entries", "nodes"):
            connection.execute(f"DELETE FROM {table} WHERE number > 0")
        connection.execute("DELETE FROM checkpoints WHERE tree_size > 1")
    verdict = safegen.verify(output, trust=made.root, ledger=copy)
    assert (verdict.state, code(verdict)) == ("invalid", "safegen.ledger.rewritten")


def test_a_ledger_of_another_house_that_has_our_file(made, other, output):
    receipt_of(output).unlink()
    other.enter(given_entry(made))
    both = {"trust": [made.root, other.root], "ledger": other.place}
    verdict = safegen.verify(output, **both)
    assert (verdict.state, code(verdict)) == ("trusted", "safegen.ledger.others")
    assert "nor named as a witness" in ledger_finding(verdict).text
    assert code(safegen.verify(output, **both, witness=other.root)) == "safegen.ledger.released"
    unknown = safegen.verify(output, trust=made.root, ledger=other.place)
    assert code(unknown) == "safegen.ledger.unvouched-head"
    refused = safegen.verify(output, **both, released=True)
    assert (refused.state, code(refused)) == ("invalid", "safegen.ledger.required")


def test_a_receipt_of_the_first_version_is_held_against_its_house_s_ledger(made, own, output):
    said = given(output).model_dump(exclude={"format", "checkpoint", "signature"})
    first = sign_receipt(FirstReceipt.model_validate(said), own.signer)
    receipt_of(output).write_text(first.model_dump_json())
    asked = {"trust": made.root, "ledger": made.ledger}
    assert code(safegen.verify(output, **asked)) == "safegen.ledger.released"
    own.enter(given_entry(made))
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert code(verdict) == "safegen.ledger.rewritten"


def put_in(path, entry, head_by=None):
    """A row with its hashes, and no head, or a head of somebody's own."""
    ledger = Ledger(path)
    with ledger._engine.begin() as connection:
        number, data = tables.size_of(connection), canonical_bytes(entry)
        row = {"number": number, "file_digest": entry.file_digest, "entry": data}
        tables.add_rows(connection, tables.entries, [row])
        tables.add_nodes(connection, number, [merkle.leaf_hash(data)])
    if head_by is None:
        return
    root = bytes.fromhex(ledger.check().root)
    head = sign_checkpoint(ledger.origin, number + 1, root, head_by.signer)
    with ledger._engine.begin() as connection:
        rows = sql.select(sql.func.count()).select_from(tables.checkpoints)
        place = {"number": connection.execute(rows).scalar(), "tree_size": head.tree_size}
        values = place | {"checkpoint": canonical_bytes(head)}
        connection.execute(sql.insert(tables.checkpoints), values)


def test_an_entry_under_no_signed_head_is_not_believed(made, own, other, output):
    receipt_of(output).unlink()
    entry = given_entry(made)
    own.enter(entry.model_copy(update={"file_digest": "another"}))
    put_in(own.place, entry)
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert (verdict.state, code(verdict)) == ("invalid", "safegen.ledger.unsigned")
    put_in(other.place, entry)  # of a ledger without any head there is nothing to believe
    verdict = safegen.verify(output, trust=made.root, ledger=other.place)
    assert (verdict.state, code(verdict)) == ("trusted", "safegen.ledger.unvouched-head")
    assert "no head of that ledger was ever signed" in ledger_finding(verdict).text


def test_nor_is_one_under_a_head_of_a_stranger_s_own(made, own, other, output):
    receipt_of(output).unlink()
    entry = given_entry(made)
    own.enter(entry.model_copy(update={"file_digest": "another"}))
    put_in(own.place, entry, head_by=other)
    verdict = safegen.verify(output, trust=made.root, ledger=own.place)
    assert code(verdict) == "safegen.ledger.unvouched-head"
    assert safegen.verify(output, trust=made.root, ledger=own.place, released=True).state == (
        "invalid"
    )


def test_without_a_list_of_trust_nobody_vouches_for_a_head(made):
    verdict = safegen.verify(made.outputs / "0001.png", ledger=made.ledger)
    assert (verdict.state, code(verdict)) == ("valid", "safegen.ledger.unvouched-head")
    assert "Exactly this file was released at" in ledger_finding(verdict).text


def test_a_refused_request_or_a_revocation_is_no_release(made, own, output):
    receipt_of(output).unlink()
    for kind in ("refused", "revocation"):
        entry = given_entry(made).model_copy(update={"kind": kind})
        own.enter(entry)
        verdict = safegen.verify(output, trust=made.root, ledger=own.place)
        assert code(verdict) == "safegen.ledger.unknown"


def test_a_release_can_be_demanded(made, forge, output):
    trusted = {"trust": [made.root, forge.trust], "released": True}
    verdict = safegen.verify(forge.file(), **trusted)
    assert (verdict.state, code(verdict)) == ("invalid", "safegen.ledger.required")
    assert safegen.verify(output, **trusted).state == "trusted"  # its receipt shows it
    receipt_of(output).unlink()
    assert safegen.verify(output, **trusted).state == "invalid"
    assert safegen.verify(output, **trusted, ledger=made.ledger).state == "trusted"


def test_no_named_ledger_is_passed_over(made, output, tmp_path):
    with pytest.raises(InputError, match=r"absent\.db"):
        safegen.verify(output, trust=made.root, ledger=[made.ledger, tmp_path / "absent.db"])
    with pytest.raises(InputError, match="keeps nothing"):
        safegen.verify(output, trust=made.root, ledger=[made.ledger, ":memory:"])
