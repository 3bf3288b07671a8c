"""What a log promises, on SQLite and on PostgreSQL alike."""

import sqlite3

import pytest
import sqlalchemy as sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safegen.errors import InputError, KeyMaterialError, StorageError, TamperedError
from safegen.provenance.log import merkle
from safegen.provenance.log import tables as log_tables
from safegen.provenance.log.checkpoints import (
    checkpoint_error,
    consistency_error,
    sign_checkpoint,
)
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.proofs import continues, leads_to, proves
from safegen.schemas.canonical import canonical_bytes


@pytest.fixture
def ledger(url):
    return Ledger(url)


def statements(ledger):
    """What is sent to the database from now on."""
    sent = []

    @sql.event.listens_for(ledger._engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, many):
        sent.append(statement)

    return sent


def test_what_is_appended_is_found_and_proved(ledger, entry, keeper):
    logged = ledger.append([entry(0), entry(1), entry(2)], signer=keeper)
    assert [proof.index for proof in logged.proofs] == [0, 1, 2]
    found, proof = ledger.find(entry(1).file_digest)
    assert found == entry(1)
    assert proves(found, proof)
    assert not proves(entry(7), proof)
    assert ledger.find("sha256:nothing") is None
    assert len(ledger) == 3


def test_an_older_proof_still_holds_after_more_was_appended(ledger, entry, entries, keeper):
    (first,) = ledger.append([entry(0)], signer=keeper).proofs
    more = ledger.append(entries(1, 9), signer=keeper).proofs
    assert ledger.holds(first)
    assert all(ledger.holds(proof) for proof in more)
    assert not ledger.holds(first.model_copy(update={"root": "00" * 32}))
    assert not ledger.holds(first.model_copy(update={"tree_size": 10}))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(0, 21), min_size=1, max_size=6))
def test_batches_of_any_size_make_one_tree(tmp_path_factory, entries, batches, keeper):
    ledger = Ledger(tmp_path_factory.mktemp("batches") / "ledger.db")
    heads, size = [ledger.checkpoint(keeper)], 0
    for count in batches:
        new = entries(size, size + count)
        logged = ledger.append(new, signer=keeper)
        size += count
        assert all(proves(e, p) for e, p in zip(new, logged.proofs, strict=True))
        assert all(leads_to(proof, logged.checkpoint) for proof in logged.proofs)
        heads.append(logged.checkpoint)
    for head in heads:
        proof = ledger.prove_consistency(head)
        assert continues(proof, head.root, heads[-1].root)
        assert consistency_error(heads[-1], head, proof) is None
    assert ledger.check(anchors=keeper.anchor, earlier=heads).faults == ()


def test_the_log_is_the_same_on_every_database(ledger, sqlite_url, entries, keeper):
    other = Ledger(f"{sqlite_url}.other")
    for first in (0, 5, 6):
        one, two = (
            each.append(entries(first, first + 9), signer=keeper) for each in (ledger, other)
        )
        assert one.proofs == two.proofs
    assert ledger.check().root == other.check().root
    assert ledger.origin != other.origin


def test_work_does_not_grow_with_the_log(ledger, entries, keeper):
    """Appending and proving read a handful of rows, however many there are."""
    counts, reads = [], []
    for size in (10, 1000):
        ledger.append(entries(size * 10, size * 11), signer=keeper)
        sent = statements(ledger)
        ledger.append(entries(3), signer=keeper)
        ledger.find(entries(2)[1].file_digest)
        counts.append(len(sent))
        assert not any("count(" in each for each in sent)
        reads += [each for each in sent if "IN (" in each]
        ledger._engine.dispose()
    assert counts[0] == counts[1]
    assert reads  # nodes are asked for by number


def test_appending_nothing_appends_nothing(ledger, entry, keeper):
    ledger.append([entry(0)], signer=keeper)
    assert ledger.append([], signer=keeper).proofs == ()
    assert ledger.append([], signer=keeper).checkpoint.tree_size == 1
    assert len(ledger) == 1
    assert ledger.check().faults == ()


def test_an_empty_log_has_a_head_too(ledger, keeper, entry):
    head = ledger.checkpoint(keeper)
    assert (head.tree_size, head.root[:8]) == (0, "e3b0c442")
    ledger.append([entry(0)], signer=keeper)
    assert continues(ledger.prove_consistency(head), head.root, ledger.last_checkpoint().root)


def test_a_head_is_signed_with_its_batch_or_neither_is_there(ledger, entries, keeper):
    ledger.append(entries(3), signer=keeper)

    class Broken:
        algorithm, chain, anchor = keeper.algorithm, keeper.chain, keeper.anchor

        def sign(self, _):
            raise KeyMaterialError("the key service does not answer")

    with pytest.raises(KeyMaterialError, match="does not answer"):
        ledger.append(entries(3, 6), signer=Broken())
    assert len(ledger) == 3
    assert ledger.check(anchors=keeper.anchor).faults == ()
    assert ledger.append(entries(3, 6), signer=keeper).checkpoint.tree_size == 6


def test_a_head_stands_alone_and_falls_with_any_change(ledger, entries, keeper, stranger):
    head = ledger.append(entries(5), signer=keeper).checkpoint
    assert checkpoint_error(head, keeper.anchor) is None
    assert "trusted root" in checkpoint_error(head, stranger.anchor)
    for update in (
        {"origin": "urn:uuid:another"}, {"tree_size": 4}, {"root": "00" * 32},
        {"time": "2026-11-20T00:00:00+00:00"}, {"time": "yesterday"}, {"signature": None},
    ):  # fmt: skip
        assert checkpoint_error(head.model_copy(update=update), keeper.anchor) is not None


def test_a_log_of_another_key_is_refused_before_anything(ledger, entries, keeper, stranger):
    ledger.append(entries(3), signer=keeper)
    for refused in (
        lambda: ledger.append(entries(3, 4), signer=stranger),
        lambda: ledger.checkpoint(stranger),
        lambda: ledger.require(stranger),
    ):
        with pytest.raises(KeyMaterialError, match=r"last signed by .*nothing was appended"):
            refused()
    ledger.require(keeper)
    assert len(ledger) == 3
    assert ledger.check(anchors=keeper.anchor).faults == ()


def test_a_stolen_chain_does_not_make_a_log_ones_own(ledger, entries, keeper, stranger):
    """Anybody can show our certificates; the signature under them must hold too."""
    ledger.append(entries(2), signer=keeper)
    head = sign_checkpoint(ledger.origin, 2, bytes.fromhex(ledger.check().root), stranger)
    shown = head.signature.model_copy(update={"chain": keeper.chain.decode()})
    keep_head(ledger, head.model_copy(update={"signature": shown}))
    for use in (
        lambda: ledger.append(entries(2, 3), signer=keeper),
        lambda: ledger.checkpoint(keeper, adopt=True),
        ledger.last_checkpoint,
        lambda: ledger.find("sha256:0"),
    ):
        with pytest.raises(TamperedError, match="does not match its content"):
            use()
    assert "does not match its content" in ledger.check().faults[0].text


def keep_head(ledger, head):
    """Write a head into the log's own table, as whoever can write the database may."""
    with ledger._engine.begin() as connection:
        number = sql.select(sql.func.count()).select_from(log_tables.checkpoints)
        row = {
            "number": connection.execute(number).scalar(),
            "tree_size": head.tree_size,
            "checkpoint": canonical_bytes(head),
        }
        connection.execute(sql.insert(log_tables.checkpoints), row)


def put_in(ledger, entries):
    """Add rows with their hashes in the stored tree, and no head: all that needs no key."""
    with ledger._engine.begin() as connection:
        first = log_tables.size_of(connection)
        rows = [
            {"number": first + n, "file_digest": each.file_digest, "entry": canonical_bytes(each)}
            for n, each in enumerate(entries)
        ]
        log_tables.add_rows(connection, log_tables.entries, rows)
        leaves = [merkle.leaf_hash(row["entry"]) for row in rows]
        log_tables.add_nodes(connection, first, leaves)


def test_a_row_under_no_signed_head_is_not_believed_and_not_taken_in(
    ledger, url, entries, entry, keeper
):
    head = ledger.append(entries(5), signer=keeper).checkpoint
    put_in(ledger, [entry(77)])
    looked_up = ledger.look_up(entry(77).file_digest)
    assert (looked_up.head, looked_up.logged, looked_up.loose) == (head, None, 5)
    assert ledger.find(entry(77).file_digest) is None
    assert ledger.find_under(entry(77).file_digest, None) is None
    assert ledger.find(entry(3).file_digest)[1].tree_size == 5
    for anchors in (None, keeper.anchor):
        (fault,) = ledger.check(anchors=anchors).faults
        assert (fault.kind, fault.row) == ("unsigned", 5)
        assert "1 entry from row 5 on is under no signed head" in fault.text
    for refused in (
        lambda: ledger.append(entries(5, 6), signer=keeper),
        lambda: ledger.append([], signer=keeper),
        lambda: ledger.checkpoint(keeper),
        lambda: ledger.require(keeper),
        lambda: Ledger(url).require(keeper),
    ):
        with pytest.raises(TamperedError, match="somebody else added to it from row 5 on"):
            refused()
    assert ledger.last_checkpoint() == head
    assert len(ledger) == 6


def test_rows_under_no_head_are_signed_for_on_their_keepers_word(
    ledger, entries, entry, keeper, stranger
):
    ledger.append(entries(5), signer=keeper)
    put_in(ledger, [entry(77), entry(78)])
    with pytest.raises(KeyMaterialError, match="last signed by"):
        ledger.checkpoint(stranger, adopt=True)
    assert ledger.checkpoint(keeper, adopt=True).tree_size == 7
    assert ledger.find(entry(78).file_digest)[1].index == 6
    assert ledger.check(anchors=keeper.anchor).faults == ()
    ledger.append(entries(7, 9), signer=keeper)


def test_rows_that_are_not_what_the_tree_holds_are_never_signed_for(ledger, entries, entry, keeper):
    ledger.append(entries(5), signer=keeper)
    put_in(ledger, [entry(77), entry(78)])
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE entries SET entry = (SELECT entry FROM entries WHERE number = 0) "
            "WHERE number = 6"
        )
    with pytest.raises(TamperedError, match="nothing was signed: row 6"):
        ledger.checkpoint(keeper, adopt=True)


def test_a_head_of_a_strangers_own_is_believed_by_nobody_who_asks(
    ledger, entries, entry, keeper, stranger
):
    """Whoever can write the database can sign, too, with keys that he made."""
    ledger.append(entries(5), signer=keeper)
    put_in(ledger, [entry(77)])
    root = bytes.fromhex(ledger.check().root)
    keep_head(ledger, sign_checkpoint(ledger.origin, 6, root, stranger))
    with pytest.raises(KeyMaterialError, match="last signed by CN=somebody else signer"):
        ledger.append(entries(5, 6), signer=keeper)
    (fault,) = ledger.check(anchors=keeper.anchor).faults
    assert "does not lead to a trusted root" in fault.text


def test_an_unsigned_head_is_none(ledger, entries, keeper):
    head = ledger.append(entries(5), signer=keeper).checkpoint
    keep_head(ledger, head.model_copy(update={"signature": None}))
    with pytest.raises(TamperedError, match="it is not signed"):
        ledger.last_checkpoint()
    assert "it is not signed" in ledger.check().faults[0].text


def test_a_renewed_leaf_of_the_same_authority_goes_on(ledger, entries, keys, keeper, tmp_path):
    """Also where nobody knows the root, and the issuing authority is all that is shown."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from safegen.provenance.keys import pki
    from safegen.provenance.keys.custody.local import FileSigner

    issuer = (
        x509.load_pem_x509_certificate((keys / pki.ISSUER).read_bytes()),
        serialization.load_pem_private_key((keys / pki.ISSUER_KEY).read_bytes(), None),
    )
    leaf, key = pki._issue(
        pki.LEAF, "renewed", curve=ec.SECP256R1(), path_length=None, issuer=issuer
    )
    pem = serialization.Encoding.PEM
    chain = leaf.public_bytes(pem) + issuer[0].public_bytes(pem)
    for anchor in (keeper.anchor, None):
        renewed = FileSigner(algorithm="es256", chain=chain, anchor=anchor, _key=key)
        ledger.append(entries(2), signer=keeper)
        ledger.append(entries(2), signer=renewed)
    ledger.append(entries(2), signer=keeper)
    assert ledger.check(anchors=keeper.anchor).faults == ()


def test_files_are_proved_under_any_head(ledger, entries, entry, keeper):
    with pytest.raises(InputError, match="no head of this ledger was signed"):
        ledger.find_under(entry(1).file_digest, None)
    early = ledger.append(entries(3), signer=keeper).checkpoint
    ledger.append(entries(3, 9), signer=keeper)
    for head in (early, None):
        found = ledger.find_under(entry(1).file_digest, head)
        assert found.checkpoint == (head or ledger.last_checkpoint())
        assert leads_to(found.proof, found.checkpoint)
        assert proves(entry(1), found.proof)
    assert ledger.find_under(entry(5).file_digest, early) is None
    foreign = early.model_copy(update={"origin": "urn:uuid:another"})
    with pytest.raises(InputError, match="is of the log urn:uuid:another"):
        ledger.find_under(entry(1).file_digest, foreign)
    with pytest.raises(TamperedError, match="does not begin with"):
        ledger.find_under(entry(1).file_digest, early.model_copy(update={"root": "00" * 32}))
    with pytest.raises(InputError, match="exchange --from and --at"):
        ledger.prove_consistency(ledger.last_checkpoint(), early)


def test_a_log_that_is_only_read_is_not_written(url, entries, keeper):
    Ledger(url).append(entries(5), signer=keeper)
    reader = Ledger(url, to_read=True)
    sent = statements(reader)
    assert len(reader) == 5
    assert reader.find(entries(2)[1].file_digest) is not None
    reader.require(keeper)
    assert reader.check(anchors=keeper.anchor).faults == ()
    assert reader.origin == Ledger(url).origin
    assert not [
        each for each in sent if not each.lstrip().startswith(("SELECT", "PRAGMA", "BEGIN"))
    ]


def begin_old(url, entries):
    """A log as the first version wrote it: nothing but rows."""
    engine = Ledger(url)._engine
    with engine.begin() as connection:
        for name in ("log", "checkpoints", "nodes"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        rows = [
            {"number": n, "file_digest": each.file_digest, "entry": canonical_bytes(each)}
            for n, each in enumerate(entries)
        ]
        connection.execute(sql.insert(log_tables.entries), rows)
    engine.dispose()


def test_a_log_of_before_trees_were_stored_is_read_and_taken_over(url, entries, entry, keeper):
    begin_old(url, entries(2500))
    reader = Ledger(url, to_read=True)
    assert reader.origin is None
    assert reader.find(entry(2400).file_digest) is None  # nobody signed for it
    assert reader.look_up(entry(2400).file_digest).loose == 2400
    report = reader.check()
    assert report.entries == 2500
    assert [(fault.kind, fault.row) for fault in report.faults] == [("unsigned", 0)]
    with pytest.raises(InputError, match="no head"):
        reader.find_under(entry(1).file_digest, None)
    ledger = Ledger(url)
    for refused in (lambda: ledger.append(entries(1), signer=keeper),
                    lambda: ledger.checkpoint(keeper)):  # fmt: skip
        with pytest.raises(InputError, match="2500 entries that anybody may have written"):
            refused()
    assert ledger.checkpoint(keeper, adopt=True).root == report.root
    found, proof = ledger.find(entry(2400).file_digest)
    assert proves(found, proof)
    assert ledger.holds(proof)
    ledger.append(entries(2500, 2503), signer=keeper)
    assert ledger.check(anchors=keeper.anchor).faults == ()


def test_an_old_log_with_a_gap_is_not_taken_over(url, entries):
    begin_old(url, entries(9))
    engine = sql.create_engine(log_url(url), poolclass=sql.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entries WHERE number = 4")
    with pytest.raises(TamperedError, match="row 4 of the ledger is missing"):
        Ledger(url)
    assert "row 4 was removed" in Ledger(url, to_read=True).check().faults[0].text


def log_url(url):
    return url if "://" in url else f"sqlite:///{url}"


def test_a_ledger_that_is_something_else_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else entirely, and long enough to be looked at" * 20)
    with pytest.raises(StorageError, match=r"ledger\.db"):
        Ledger(path)
    assert path.read_bytes().startswith(b"something else")


def test_tables_of_somebody_else_are_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, title TEXT)")
    with pytest.raises(StorageError, match=r"ledger\.db.*nothing was written"):
        Ledger(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_a_writer_needs_no_right_to_change_what_is_there(postgres_url, entries, keeper):
    """On PostgreSQL the database itself can refuse to rewrite a ledger."""
    Ledger(postgres_url)
    owner = sql.create_engine(postgres_url, poolclass=sql.pool.NullPool)
    role = owner.url.database  # a name that no other test has
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        tables = ", ".join(log_tables.tables.tables)
        connection.exec_driver_sql(f"GRANT SELECT, INSERT ON {tables} TO {role}")
    ledger = Ledger(owner.url.set(username=role).render_as_string(hide_password=False))
    ledger.append(entries(3), signer=keeper)
    assert ledger.append(entries(3, 6), signer=keeper).checkpoint.tree_size == 6
    for change in ("UPDATE entries SET file_digest = 'x'", "DELETE FROM nodes"):
        with (
            ledger._engine.begin() as connection,
            pytest.raises(sql.exc.ProgrammingError, match="permission denied"),
        ):
            connection.exec_driver_sql(change)
    assert ledger.check(anchors=keeper.anchor).faults == ()
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP TABLE manifests")  # as an earlier version left it
    with pytest.raises(StorageError, match=r"\(manifests\), which its owner makes by opening it"):
        Ledger(ledger._engine.url.render_as_string(hide_password=False))
    ledger._engine.dispose()
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")
