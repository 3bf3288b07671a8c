"""Ids of marks are given out once, and belong to one output each."""

import pytest

from safegen.database import writing
from safegen.errors import StorageError, TamperedError
from safegen.provenance.log import watermarks
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.originals import Original


def test_an_id_is_given_out_once_and_no_two_outputs_claim_it(url, entries, keeper):
    log = Ledger(url)
    first = log.index.give_out("small", 4, 10)
    assert len({*first, *log.index.give_out("small", 4, 6)}) == 16
    with pytest.raises(StorageError, match="all but 0 of its 16 marks"):
        log.index.give_out("small", 4, 1)
    assert len(set(log.index.give_out("large", 32, 500))) == 500

    def claims(number, label):
        kept = {"code": None, "manifest": b"m", "receipt": b"r"}
        return Original(number=number, label=label, mark=("small", first[0]), **kept)

    log.append(entries(1), signer=keeper, before_commit=lambda _: [claims(0, "a")])
    assert log.index.marks_of("small") == {first[0]: 0}
    for again in ([claims(1, "b")],):
        with pytest.raises(TamperedError, match="two outputs claim the mark"):
            log.append(entries(1), signer=keeper, before_commit=lambda _, again=again: again)
    assert len(log) == 1


def test_two_new_outputs_cannot_claim_one_id_either(sqlite_url):
    log = Ledger(sqlite_url)
    with (
        writing(log._engine) as connection,
        pytest.raises(TamperedError, match="two outputs claim the mark 5"),
    ):
        watermarks.add(connection, [("small", 5, 0), ("small", 5, 1)])
