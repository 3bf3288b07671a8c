"""A copy without its manifest leads back to what was signed, and a foreign picture nowhere."""

import itertools
import sqlite3
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from safegen.errors import DataError, InputError, TamperedError
from safegen.provenance.keys.trust import read_trust
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.receipt import read_receipt
from safegen.verification.evidence import NamedLog
from safegen.verification.recovery import chance
from safegen.verification.recovery.recover import recover
from safegen.verification.verify import verify
from tests.verification.recovery.copies import WAYS, encoded
from tests.verification.recovery.photographs import crops

# Of 100 pictures, at least so many by fingerprint alone; docs/verify.md has the figures of more.
FOUND = {
    "PNG without a manifest": 100,
    "JPEG, quality 75": 80,
    "WebP, quality 80": 70,
    "half the size": 85,
    "twice the size": 95,
}


@pytest.mark.parametrize("way", FOUND)
def test_copies_are_recovered_with_the_right_receipt(releases, made, way):
    trust, recovered, wrong = read_trust([made.root]), 0, 0
    for row, released in enumerate(releases.released):
        found = recover("copy", WAYS[way](released.picture), releases.named, trust)
        if found.state != "recovered":
            continue
        recovered += 1
        (best, *others) = found.matches
        assert (found.technique, best.trusted_by) == ("fingerprint", str(made.root))
        if best.row != row:  # a piece that overlaps this one may look as near, and is named as well
            wrong += 1
            assert row in {each.row for each in others}
            continue
        assert best.logged.entry == released.receipt.entry
        assert best.manifest == released.receipt.manifest
    assert recovered >= FOUND[way]
    assert wrong <= 2


def test_100_foreign_pictures_lead_nowhere(releases):
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(3)
    noise = [Image.fromarray(rng.integers(0, 256, (64, 64), np.uint8)) for _ in range(20)]
    digits = load_digits().images
    drawn = [Image.fromarray((each * 15).astype(np.uint8)) for each in digits[:80]]
    for picture in (*noise, *drawn):
        found = recover("foreign", encoded(picture), releases.named, None)
        assert (found.state, found.technique) == ("nothing-found", None), found.text
        assert found.text.startswith("Nothing was found")


def test_whoever_signed_is_told_apart_from_whoever_is_trusted(releases):
    (first, *_) = releases.released
    found = recover("copy", encoded(first.picture), releases.named, None)
    assert found.state == "recovered"
    assert found.matches[0].trusted_by is None
    assert "no list that was given vouches for" in found.text


def test_verify_calls_a_copy_recovered_and_never_trusted(releases, made, tmp_path):
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(encoded(releases.released[7].picture, "JPEG", quality=75))
    verdict = verify(copy, ledger=releases.location, trust=made.root)
    assert verdict.state == "recovered"
    assert "7.png" in verdict.text
    codes = {finding.codes[0] for finding in verdict.findings}
    assert {"safegen.manifest.none", "safegen.ledger.recovered"} <= codes
    assert verify(copy, trust=made.root).state == "unsigned"  # nobody named a ledger


def test_verify_says_plainly_that_nothing_was_found(releases, tmp_path):
    foreign = tmp_path / "foreign.png"
    noise = np.random.default_rng(5).integers(0, 256, (64, 64), np.uint8)
    foreign.write_bytes(encoded(Image.fromarray(noise)))
    verdict = verify(foreign, ledger=releases.location)
    assert verdict.state == "unsigned"
    (finding,) = (each for each in verdict.findings if each.step == "ledger")
    assert finding.codes == ("safegen.ledger.not-recovered",)
    assert finding.text.startswith("Nothing was found")


def test_an_index_that_points_elsewhere_makes_no_claim(copied):
    """Codes are in nobody's signature; the manifest's own statement is what counts."""
    foreign = np.random.default_rng(6).integers(0, 256, (64, 64), np.uint8)
    data = encoded(Image.fromarray(foreign))
    from safegen.modality.image import ImageModality

    with sqlite3.connect(copied.location) as connection:
        code = ImageModality.fingerprint(data)
        connection.execute("UPDATE fingerprints SET code = ? WHERE number = 4", (code,))
    found = recover("foreign", data, copied.named, None)
    assert found.state == "nothing-found"
    assert found.matches == ()
    assert any("Row 4" in note and "another picture" in note for note in found.notes)


def test_an_index_that_names_another_row_makes_no_claim_about_that_row(copied):
    with sqlite3.connect(copied.location) as connection:
        connection.execute("UPDATE fingerprints SET number = 9 WHERE number = 4")
    found = recover("copy", encoded(copied.released[4].picture), copied.named, None)
    assert found.state == "nothing-found"
    assert any("Row 9" in note for note in found.notes)


@pytest.mark.parametrize("part", ["manifest", "receipt"])
def test_what_was_kept_of_another_row_is_not_believed(copied, part):
    from safegen.provenance.log import originals

    with sqlite3.connect(copied.location) as connection:
        (data,) = connection.execute("SELECT kept FROM originals WHERE number = 0").fetchone()
        rows = originals._unpacked(data)
        one, other = rows[4], rows[5]
        rows[4] = (other[0], one[1]) if part == "manifest" else (one[0], other[1])
        changed = [
            originals.Original(
                number=number, code=None, label="", manifest=held[0], receipt=held[1]
            )
            for number, held in rows.items()
        ]
        connection.execute(
            "UPDATE originals SET kept = ? WHERE number = 0", (originals._packed(changed),)
        )
    found = recover("copy", encoded(copied.released[4].picture), copied.named, None)
    assert found.state == "nothing-found"
    assert any("Row 4" in note and "another file's" in note for note in found.notes)


def test_a_receipt_that_was_edited_is_not_believed(copied):
    kept = copied.ledger.index.kept(4)
    told = read_receipt(kept.receipt)
    edited = told.model_copy(update={"file": "other.png"}).model_dump_json().encode()
    from safegen.provenance.log.index import Kept
    from safegen.verification.recovery.originals import original_of

    assert original_of(kept, None).receipt == told
    with pytest.raises(TamperedError, match="does not stand"):
        original_of(Kept(logged=kept.logged, manifest=kept.manifest, receipt=edited), None)
    with pytest.raises(TamperedError, match=r"not as it was signed|cannot be read"):
        original_of(
            Kept(
                logged=kept.logged,
                manifest=kept.manifest.replace(b"c2pa.created", b"c2pa.opened."),
                receipt=kept.receipt,
            ),
            None,
        )


def test_a_broken_pack_is_not_believed(copied):
    with sqlite3.connect(copied.location) as connection:
        bomb = zlib.compress(bytes(2**27))
        connection.execute("UPDATE originals SET kept = ? WHERE number = 0", (bomb,))
    found = recover("copy", encoded(copied.released[4].picture), copied.named, None)
    assert any("what the ledger keeps of row 4 was changed" in note for note in found.notes)


def test_a_log_without_an_index_says_so(tmp_path):
    path = tmp_path / "old.db"
    Ledger(path)
    with sqlite3.connect(path) as connection:
        for table in ("fingerprints", "packed_fingerprints", "originals"):
            connection.execute(f"DROP TABLE {table}")
    named = [NamedLog(name="old.db", log=Ledger(path, to_read=True))]
    with pytest.raises(InputError, match=r"old\.db .*no index of fingerprints"):
        recover("copy", encoded(crops("china.jpg", 1, 1)[0]), named, None)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (encoded(Image.new("RGB", (64, 64), "navy")), "one flat colour"),
        (b"no picture", "not a readable picture"),
        (encoded(Image.new("1", (8200, 8200))), "too large"),
    ],
)
def test_what_has_no_fingerprint_is_refused_in_a_sentence(releases, data, why):
    with pytest.raises(DataError, match=why):
        recover("it", data, releases.named, None)


def test_a_greater_distance_and_a_longer_log_make_an_error_likelier():
    table = [[chance.error(bits, rows) for bits in range(17)] for rows in (1, 100, 10**6)]
    for row in table:
        assert row == sorted(row)
    for few, many in itertools.pairwise(table):
        assert all(a <= b for a, b in zip(few, many, strict=True))
    assert chance.error(64, 1) == 1.0
    assert 0 < chance.error(0, 1) < 1e-6


def test_verifying_loads_no_numpy_unless_it_searches(releases, tmp_path):
    """Whatever has a manifest is verified without it, also where a ledger is asked."""
    file = tmp_path / "whole.png"
    file.write_bytes(releases.released[0].file)
    code = (
        "import sys; from pathlib import Path; "
        "from safegen.verification.one_file import verify_file; "
        "from safegen.verification.ledgers import open_ledgers; "
        f"v = verify_file(Path({str(file)!r}), None, open_ledgers([{releases.location!r}])); "
        "print(v.state, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["valid", "False"]
