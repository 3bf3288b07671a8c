"""Near codes are found among all that were added, however they are packed, on both databases."""

import numpy as np
import pytest
import sqlalchemy as sql

from safegen.database import connect, reading, writing
from safegen.errors import StorageError, TamperedError
from safegen.provenance.log import fingerprints, originals, tables
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.originals import Original


def some_codes(count):
    drawn = np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64)
    return [each.tobytes() for each in drawn]


@pytest.fixture
def engine(url):
    opened = connect(url, tables.tables)
    yield opened
    opened.dispose()


def test_a_search_agrees_with_comparing_all(engine):
    codes = some_codes(2500)
    for start, end in ((0, 3), (3, 1024), (1024, 1025), (1025, 2500)):  # chunks end anywhere
        with writing(engine) as connection:
            fingerprints.add(connection, [(7 * at, codes[at]) for at in range(start, end)])
    query = codes[1700][:-1] + bytes([codes[1700][-1] ^ 0b101])
    wanted = sorted((int.from_bytes(code) ^ int.from_bytes(query)).bit_count() for code in codes)[
        :4
    ]
    with reading(engine) as connection:
        assert fingerprints.count(connection) == 2500
        found = fingerprints.Codes().nearest(connection, [query], within=64, most=4)
        assert (found[0].number, found[0].distance) == (7 * 1700, 2)
        assert [each.distance for each in found] == wanted
        asked = [query, codes[2499], codes[5]]
        several = fingerprints.Codes().nearest(connection, asked, within=2, most=9)
        assert {each.number for each in several} == {7 * 1700, 7 * 2499, 7 * 5}
        assert fingerprints.Codes().nearest(connection, [query], within=1, most=9) == ()


def test_an_empty_index_has_nothing_near(engine):
    with reading(engine) as connection:
        assert fingerprints.Codes().nearest(connection, [bytes(8)], within=64, most=3) == ()


def test_a_chunk_that_was_cut_is_told(engine):
    with writing(engine) as connection:
        fingerprints.add(connection, list(enumerate(some_codes(1024))))
        connection.execute(sql.update(fingerprints.packed).values(codes=bytes(8)))
    with reading(engine) as connection, pytest.raises(TamperedError, match="hold together"):
        fingerprints.Codes().nearest(connection, [bytes(8)], within=64, most=3)


def test_what_is_kept_comes_back_whole(engine):
    kept = [
        Original(number=at, code=None, label=f"urn:{at}", manifest=b"m%d" % at, receipt=b"r" * at)
        for at in range(10, 110)
    ]
    with writing(engine) as connection:
        originals.keep(connection, kept[:70])
        originals.keep(connection, kept[70:])
    with reading(engine) as connection:
        for each in kept:
            assert originals.kept(connection, each.number) == (each.manifest, each.receipt)
        assert originals.kept(connection, 9) is None
        assert originals.kept(connection, 110) is None


def test_a_batch_that_fails_leaves_nothing_in_the_index(url, entries, keeper):
    ledger = Ledger(url)
    one = Original(number=0, code=bytes(8), label="urn:0", manifest=b"m", receipt=b"r")
    packs = [one] * (originals.TOGETHER + 1)  # two packs of one number, which cannot be

    with pytest.raises(StorageError):
        ledger.append(entries(2), signer=keeper, before_commit=lambda _: packs)
    assert len(ledger) == 0
    assert ledger.index.alike([bytes(8)], within=64, most=3).indexed == 0
    ledger.append(entries(2), signer=keeper, before_commit=lambda _: [one])
    assert ledger.index.alike([bytes(8)], within=64, most=3).indexed == 1
