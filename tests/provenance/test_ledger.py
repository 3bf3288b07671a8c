import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.errors import StorageError, TamperedError
from safegen.provenance import merkle
from safegen.provenance.ledger import Ledger
from safegen.provenance.proofs import prove, proves
from safegen.records.receipt import LogEntry


def entry(number):
    return LogEntry(
        kind="output",
        file_digest=f"sha256:{number:064x}",
        model_digest="sha256:aa",
        policy_digest=None,
        time="2026-01-01T00:00:00+00:00",
    )


# The tree of RFC 6962's own test vectors: eight entries, and the roots after each.
VECTORS = [
    b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_roots_are_those_of_the_standard():
    leaves = [merkle.leaf_hash(data) for data in VECTORS]
    assert [merkle.root_hash(leaves[:n]).hex() for n in range(1, 9)] == ROOTS


@given(st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_every_entry_is_proved_and_no_other(sizes):
    size, index = sizes
    entries = [entry(number) for number in range(size)]
    leaves = [merkle.leaf_hash(merkle_bytes(e)) for e in entries]
    proof = prove(leaves, index)
    assert proves(entries[index], proof)
    assert not proves(entry(size), proof)
    if size > 1:
        assert not proves(entries[index - 1], proof)
        assert not proves(entries[index], proof.model_copy(update={"path": proof.path[1:]}))
        wrong = proof.model_copy(update={"path": (*proof.path, "00" * 32)})
        assert not proves(entries[index], wrong)


def merkle_bytes(record):
    from safegen.records.canonical import canonical_bytes

    return canonical_bytes(record)


def test_garbage_is_no_proof():
    proof = prove([merkle.leaf_hash(merkle_bytes(entry(0)))], 0)
    for update in ({"path": ("not hex",)}, {"index": 5}, {"root": "00"}):
        assert not proves(entry(0), proof.model_copy(update=update))


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.db")


def test_what_is_appended_is_found_and_proved(ledger):
    proofs = ledger.append([entry(0), entry(1), entry(2)])
    assert [proof.index for proof in proofs] == [0, 1, 2]
    found, proof = ledger.find(entry(1).file_digest)
    assert found == entry(1)
    assert proves(found, proof)
    assert ledger.find("sha256:nothing") is None
    assert len(ledger) == 3


def test_an_older_proof_still_holds_after_more_was_appended(ledger):
    (first,) = ledger.append([entry(0)])
    more = ledger.append([entry(number) for number in range(1, 9)])
    assert ledger.holds(first)
    assert all(ledger.holds(proof) for proof in more)


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE entries SET entry = replace(entry, '0', '1') WHERE number = 1",
        "DELETE FROM entries WHERE number = 1",
        "DELETE FROM entries WHERE number >= 2",
        "UPDATE entries SET number = CASE number WHEN 0 THEN 100 ELSE number END",
    ],
)
def test_an_edited_removed_or_moved_row_breaks_older_proofs(ledger, tmp_path, tamper):
    proofs = ledger.append([entry(number) for number in range(4)])
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute(tamper).rowcount > 0
    assert not ledger.holds(proofs[-1])


@pytest.mark.parametrize(
    "tamper",
    [
        f"UPDATE entries SET file_digest = '{entry(3).file_digest}' WHERE number = 1",
        "UPDATE entries SET entry = 1.5 WHERE number = 1",
        "UPDATE entries SET number = 100 WHERE number = 1",
    ],
)
def test_a_row_refiled_or_rewritten_finds_nothing(ledger, tmp_path, tamper):
    """The column to search by is not under the tree; the entry that it leads to is."""
    ledger.append([entry(number) for number in range(3)])
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(tamper)
    with pytest.raises(TamperedError):
        ledger.find(entry(3 if "file_digest" in tamper else 1).file_digest)


def test_a_ledger_that_is_something_else_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else entirely, and long enough to be looked at" * 20)
    with pytest.raises(StorageError, match=r"ledger\.db"):
        Ledger(path)
    assert path.read_bytes().startswith(b"something else")


@pytest.mark.parametrize("url", ["nonsense://x", "postgresql+nodriver://h/db"])
def test_a_url_that_does_not_work_is_named(url):
    with pytest.raises(StorageError, match="not a database URL"):
        Ledger(url)
