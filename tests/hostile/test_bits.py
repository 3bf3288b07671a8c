"""Copies with one flipped bit, in every embedded format, before two verifiers and the ledger."""

import io
import json
import random
import shutil
from collections import Counter

import pytest

import safegen
from safegen.schemas.names import receipt_beside

SEED = 20_250_101  # the sample is fixed, so that a count can be compared with the documented one
ALL, QUICK = 10_000, 500
NOBODYS = {"safegen.ledger.elsewhere", "safegen.ledger.skipped"}  # no signature says whose it is


@pytest.fixture(scope="module")
def expected(made, subjects, judges):
    """What is said of each untouched file."""
    return {
        mime: (said(subject.path, made, alone=True), judges.statements(subject.data, mime))
        for mime, subject in subjects.items()
    }


def said(path, made, *, alone=False):
    """A whole verdict without the file's name; `alone` without what lies beside the file."""
    if alone:
        bare = path.with_name(f"alone{path.suffix}")
        shutil.copy(path, bare)
        path = bare
    verdict = safegen.verify(path, trust=made.root)
    return verdict.model_dump(mode="json", exclude={"path"})


def inside(ranges, place):
    return any(start <= place < end for start, end in ranges)


def drawn(subject, many):
    """Places and bits of one file: half of them in its manifest store, half outside."""
    pick = random.Random(f"{SEED} {subject.mime}")
    bits = range(8 * len(subject.data))
    within = [bit for bit in bits if inside(subject.store, bit // 8)]
    without = [bit for bit in bits if not inside(subject.store, bit // 8)]
    half = many // 2
    assert min(len(within), len(without)) >= half
    return [*pick.sample(within, half), *pick.sample(without, many - half)]


def flip_all(many, made, subjects, judges, expected, folder):
    """Judge `many` copies; counts of where the flip was and who still trusts it."""
    counts = Counter()
    for mime, subject in subjects.items():
        path = folder / f"copy{subject.suffix}"
        receipt = receipt_beside(subject.path)
        for bit in drawn(subject, many // len(subjects)):
            place = bit // 8
            where = (
                "store" if inside(subject.store, place)
                else "unhashed box" if inside(subject.loose, place)
                else "content"
            )  # fmt: skip
            changed = bytearray(subject.data)
            changed[place] ^= 1 << bit % 8
            path.write_bytes(changed)
            ours = said(path, made)
            trusted = ours["state"] == "trusted"
            second = judges.second(bytes(changed), mime) == "Trusted"
            counts[mime, where, trusted, second] += 1
            name = f"{mime}, {where}, byte {place}, bit {bit % 8}"
            if where == "content":
                assert not trusted, name
                assert not second, name
            if trusted:
                assert ours == expected[mime][0], name
                assert judges.statements(bytes(changed), mime) == expected[mime][1], name
            logged = safegen.verify(path, trust=made.root, ledger=made.ledger)
            assert logged.state not in {"trusted", "valid"}, name
            if logged.state == "invalid":
                finding = next(each for each in logged.findings if each.step == "ledger")
                nobodys = finding.codes[0] in NOBODYS
                if nobodys:  # whose file it would be is not known, and it is refused without a log
                    assert (where, ours["state"]) == ("store", "invalid"), name
                else:
                    assert finding.outcome == "failed", name
                    assert "not a file that was released" in finding.text, name
            if trusted and receipt.exists():
                beside = receipt_beside(path)
                shutil.copy(receipt, beside)
                assert safegen.verify(path, trust=made.root).state == "invalid", name
                beside.unlink()
    return counts


def tell(counts):
    """The counts as a table, for docs/threat_model.md."""
    for mime, where in sorted({key[:2] for key in counts}):
        both, ours, second, neither = (
            counts[mime, where, *pair]
            for pair in ((True, True), (True, False), (False, True), (False, False))
        )
        print(
            f"{mime:<11} {where:<12} {both + ours + second + neither:>5} copies: trusted by both "
            f"{both}, by us alone {ours}, by the second alone {second}, by nobody {neither}"
        )


def test_both_verifiers_agree_on_every_untouched_file(made, subjects, judges, expected):
    for mime, subject in subjects.items():
        verdict = safegen.verify(subject.path, trust=made.root, ledger=made.ledger)
        assert verdict.state == "trusted", mime
        assert judges.second(subject.data, mime) == "Trusted", mime
        assert expected[mime][0]["state"] == "trusted", mime


def test_the_store_is_where_the_manifest_says_that_its_hash_leaves_out(subjects):
    """Our reading of eight containers, against the exclusions that were signed."""
    c2pa = pytest.importorskip("c2pa")
    for mime, subject in subjects.items():
        with c2pa.Reader(mime, io.BytesIO(subject.data)) as reader:
            report = json.loads(reader.detailed_json())
        stores = report["manifests"][report["active_manifest"]]["assertion_store"]
        if "c2pa.hash.data" not in stores:
            excluded = {each["xpath"] for each in stores["c2pa.hash.bmff.v3"]["exclusions"]}
            assert excluded == {"/uuid", "/ftyp", "/mfra", "/free", "/skip"}, mime
            continue
        left_out = [
            (each["start"], each["start"] + each["length"])
            for each in stores["c2pa.hash.data"]["exclusions"]
        ]
        assert left_out == list(subject.store), mime


def test_one_bit_of_five_hundred_copies(made, subjects, judges, expected, tmp_path):
    counts = flip_all(QUICK, made, subjects, judges, expected, tmp_path)
    assert counts.total() == QUICK - QUICK % len(subjects)


@pytest.mark.slow
def test_one_bit_of_ten_thousand_copies(made, subjects, judges, expected, tmp_path):
    """`pytest tests/hostile/test_bits.py -m slow -s` prints the table of docs/threat_model.md."""
    counts = flip_all(ALL, made, subjects, judges, expected, tmp_path)
    tell(counts)
    assert counts.total() == ALL
