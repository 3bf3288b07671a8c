"""Whoever can write the database can change it; checking says what was changed, and where."""

import pytest
import sqlalchemy as sql

from safegen.errors import TamperedError
from safegen.provenance.log import merkle
from safegen.provenance.log import tables as log_tables
from safegen.provenance.log.checkpoints import sign_checkpoint
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import canonical_bytes

ROWS = 21


@pytest.fixture
def ledger(url, entries, keeper):
    """Twenty-one rows in four batches, each with its signed head: 5, 10, 20 and 21."""
    ledger = Ledger(url)
    for first, last in ((0, 5), (5, 10), (10, 20), (20, 21)):
        ledger.append(entries(first, last), signer=keeper)
    return ledger


def tamper(ledger, *statements):
    with ledger._engine.begin() as connection:
        for statement in statements:
            assert connection.execute(sql.text(statement)).rowcount > 0


def found(ledger, keeper, *earlier):
    report = ledger.check(anchors=keeper.anchor, earlier=earlier)
    return [(fault.kind, fault.row) for fault in report.faults], " | ".join(
        fault.text for fault in report.faults
    )


def shift(by, condition, *tables):
    """Move rows along, by way of numbers that nobody has."""
    for table in tables:
        yield f"UPDATE {table} SET number = number + {1000 + by} WHERE {condition}"
        yield f"UPDATE {table} SET number = number - 1000 WHERE number >= 900"


def exchange(one, other, *tables):
    for table in tables:
        yield f"UPDATE {table} SET number = -1 WHERE number = {one}"
        yield f"UPDATE {table} SET number = {one} WHERE number = {other}"
        yield f"UPDATE {table} SET number = {other} WHERE number = -1"


EDIT = "UPDATE entries SET entry = (SELECT entry FROM entries WHERE number = 0) WHERE number = "
COPY = "INSERT INTO entries SELECT {}, file_digest || 'x', entry FROM entries WHERE number = 0"
CASES = {
    "edited": ([f"{EDIT} 7"], [("edited", 7)], "row 7 was edited"),
    "two edited": (
        [f"{EDIT} 7", f"{EDIT} 15"], [("edited", 7)], "1 more disagree"
    ),
    "removed": (["DELETE FROM entries WHERE number = 6"], [("removed", 6)], "row 6 was removed"),
    "removed with its hashes": (
        [f"DELETE FROM {table} WHERE number = 6" for table in ("entries", "nodes")],
        [("removed", 6)],
        "row 6 was removed",
    ),
    "removed and closed up": (
        ["DELETE FROM entries WHERE number = 6", *shift(-1, "number > 6", "entries")],
        [("removed", 6)],
        "row 6 was removed: what was row 7 stands there now",
    ),
    "moved": (
        ["UPDATE entries SET number = 30 WHERE number = 3"],
        [("moved", 3)],
        "row 3 was moved: it is row 30 now",
    ),
    "exchanged": (
        list(exchange(3, 12, "entries")), [("moved", 3)], "row 3 was moved: it is row 12 now"
    ),
    "put in between": (
        [*shift(1, "number >= 8", "entries"), COPY.format(8)],
        [("inserted", 8)],
        "row 8 was put in between: what belongs there is row 9 now",
    ),
    "put at the end": (
        [COPY.format(ROWS)], [("inserted", ROWS)], "put in around the log"
    ),
    "cut": (["DELETE FROM entries WHERE number >= 18"], [("removed", 18)], "row 18 was removed"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_changed_row_is_found_and_named(ledger, keeper, case):
    statements, first, text = CASES[case]
    tamper(ledger, *statements)
    kinds, said = found(ledger, keeper)
    assert kinds[:1] == first, said
    assert text in said


@pytest.mark.parametrize("case", [case for case in CASES if case != "put at the end"])
def test_the_heads_that_a_change_disproves_are_named(ledger, keeper, case):
    tamper(ledger, *CASES[case][0])
    said = found(ledger, keeper)[1]
    row = CASES[case][1][0][1]
    false = [size for size in (5, 10, 20, 21) if size > row]
    for size in (5, 10, 20, 21):
        assert (f"({size} entries)" in said) == (size in false), said
    since = f"the first {5 if row < 10 else 10} are as an earlier one says"
    assert since in said or row < 5 or "were cut off" in said


def test_an_edited_hash_is_told_from_an_edited_entry(ledger, keeper, url):
    for row, text in (
        (4, "the stored hash of row 4 was edited; its entry is whole"),
        (5, "the stored hash of row 5 was edited; its entry is whole"),
    ):
        with ledger._engine.begin() as connection:
            at = log_tables.nodes.c.number == row
            before = connection.execute(sql.select(log_tables.nodes.c.hashes).where(at)).scalar()
            change = sql.update(log_tables.nodes).where(at)
            connection.execute(change.values(hashes=bytes(32) + before[32:]))
        kinds, said = found(ledger, keeper)
        assert (kinds, text in said) == ([("tree", row)], True), said
        with ledger._engine.begin() as connection:
            connection.execute(change.values(hashes=before))
    assert found(ledger, keeper) == ([], "")


@pytest.mark.parametrize("change", [lambda held: held[:128] + bytes(32), lambda held: held[:32]])
def test_an_edited_node_is_named_and_nothing_is_built_on_it(ledger, keeper, entries, change):
    with ledger._engine.begin() as connection:
        at = log_tables.nodes.c.number == 15  # it ends the first sixteen
        held = connection.execute(sql.select(log_tables.nodes.c.hashes).where(at)).scalar()
        connection.execute(sql.update(log_tables.nodes).where(at).values(hashes=change(held)))
    kinds, said = found(ledger, keeper)
    assert kinds == [("tree", 15)], said
    with pytest.raises(TamperedError):
        ledger.append(entries(30, 31), signer=keeper)
    assert found(ledger, keeper)[0] == [("tree", 15)]


def test_rows_added_or_cut_around_the_log_stop_it(ledger, keeper, entries, entry):
    tamper(ledger, COPY.format(ROWS))
    for refused in (
        lambda: ledger.append(entries(30, 31), signer=keeper),
        lambda: ledger.checkpoint(keeper),
        lambda: ledger.find(entry(3).file_digest),
    ):
        with pytest.raises(TamperedError, match="safegen ledger check"):
            refused()


def test_a_row_refiled_is_named_and_finds_nothing(ledger, keeper, entry):
    """The column to search by is not under the tree; the entry that it leads to is."""
    other = entry(77).file_digest
    tamper(ledger, f"UPDATE entries SET file_digest = '{other}' WHERE number = 3")
    with pytest.raises(TamperedError, match="row 3 is filed under another"):
        ledger.find(other)
    kinds, said = found(ledger, keeper)
    assert kinds == [("refiled", 3)], said


def test_an_edited_or_exchanged_row_is_not_given_out(ledger, entry):
    tamper(ledger, f"{EDIT} 7")
    with pytest.raises(TamperedError, match="row 7 is filed under another"):
        ledger.find(entry(7).file_digest)
    tamper(ledger, *exchange(3, 12, "entries"))
    with pytest.raises(TamperedError, match="row 12 is not what the tree over it holds"):
        ledger.find(entry(3).file_digest)


@pytest.mark.parametrize("value", ["1.5", "'words'", "x'00'"])
def test_a_row_rewritten_as_something_else_is_no_entry(tmp_path, entries, entry, keeper, value):
    """SQLite keeps whatever it is given."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(entries(3), signer=keeper)
    tamper(ledger, f"UPDATE entries SET entry = {value} WHERE number = 1")
    with pytest.raises(TamperedError, match="row 1 is no entry any more"):
        ledger.find(entry(1).file_digest)
    assert ledger.check().faults[0].text.startswith("row 1 was edited")


def rewrite(ledger, entries):
    """Another history, with its own tree: what a thorough forger makes."""
    with ledger._engine.begin() as connection:
        for table in (log_tables.entries, log_tables.nodes):
            connection.execute(sql.delete(table))
        rows = [
            {"number": n, "file_digest": each.file_digest, "entry": canonical_bytes(each)}
            for n, each in enumerate(entries)
        ]
        log_tables.add_rows(connection, log_tables.entries, rows)
        leaves = [merkle.leaf_hash(row["entry"]) for row in rows]
        log_tables.add_nodes(connection, 0, leaves)


def test_a_rewritten_history_is_found_by_its_signed_heads(ledger, keeper, entries, entry):
    forged = [*entries(0, 12), entry(99), *entries(13, ROWS)]
    rewrite(ledger, forged)
    kinds, said = found(ledger, keeper)
    assert kinds == [("checkpoint", None)] * 2
    assert "(20 entries) no longer holds" in said
    assert "(21 entries) no longer holds" in said
    assert "the first 10 are as an earlier one says" in said
    with pytest.raises(TamperedError, match="does not begin with the 21 entries"):
        ledger.append(entries(30, 31), signer=keeper)


def test_a_history_whose_heads_were_removed_needs_one_kept_elsewhere(ledger, keeper, entries):
    kept = ledger.last_checkpoint()
    rewrite(ledger, entries(0, 12))
    tamper(ledger, "DELETE FROM checkpoints WHERE tree_size > 10")
    assert found(ledger, keeper)[0] == [("unsigned", 10)]
    rewrite(ledger, entries(0, 10))
    assert found(ledger, keeper) == ([], "")  # nothing here can tell
    kinds, said = found(ledger, keeper, kept)
    assert kinds == [("cut", None)]
    assert "the given checkpoint" in said
    assert "11 were cut off its end" in said
    ledger.append(entries(50, 70), signer=keeper)
    assert "no longer holds" in found(ledger, keeper, kept)[1]


def test_a_fork_is_found_by_either_head(ledger, url, keeper, entries, stranger):
    """Two heads of one size and two roots: whoever holds both has the proof in hand."""
    kept = ledger.last_checkpoint()
    other = sign_checkpoint(kept.origin, kept.tree_size, bytes(32), keeper)
    assert "no longer holds" in found(ledger, keeper, kept, other)[1]
    foreign = sign_checkpoint("urn:uuid:another", 5, bytes(32), keeper)
    assert "is of another log, urn:uuid:another" in found(ledger, keeper, foreign)[1]
    theirs = sign_checkpoint(kept.origin, 21, bytes.fromhex(kept.root), stranger)
    said = found(ledger, keeper, theirs)[1]
    assert "does not stand: its signer does not lead to a trusted root" in said


REPLACE = (
    "UPDATE checkpoints SET checkpoint = (SELECT {} FROM {} WHERE number = 0) WHERE number = 2"
)


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        (list(exchange(1, 2, "checkpoints")), "(10 entries) is not where it was put"),
        (["DELETE FROM checkpoints WHERE number = 1"], "own checkpoint 1 was removed"),
        (["UPDATE checkpoints SET tree_size = 7 WHERE number = 1"], "is not where it was put"),
        ([REPLACE.format("checkpoint", "checkpoints")], "(5 entries) is not where it was put"),
        ([REPLACE.format("entry", "entries")], "own checkpoint 2 cannot be read"),
    ],
)
def test_exchanged_or_removed_heads_are_named(ledger, keeper, statements, text):
    tamper(ledger, *statements)
    kinds, said = found(ledger, keeper)
    assert text in said
    assert {kind for kind, _ in kinds} == {"checkpoint"}


def test_a_head_with_another_signature_is_named(ledger, keeper, stranger):
    head = ledger.last_checkpoint()
    theirs = sign_checkpoint(head.origin, head.tree_size, bytes.fromhex(head.root), stranger)
    with ledger._engine.begin() as connection:
        at = sql.update(log_tables.checkpoints).where(log_tables.checkpoints.c.number == 3)
        connection.execute(at.values(checkpoint=canonical_bytes(theirs)))
    assert ledger.check().faults == ()  # whose it is nobody asked
    assert "does not lead to a trusted root" in found(ledger, keeper)[1]


def test_a_log_without_its_name_is_not_given_another(ledger, url):
    tamper(ledger, "DELETE FROM log")
    with pytest.raises(TamperedError, match="own name was removed"):
        Ledger(url)
