"""What finding by fingerprint costs, and how near foreign pictures come.

The counts of `verification.recovery.chance`, and the table in docs/verify.md, are made anew here.
"""

import gzip
import io
import statistics
import time

import numpy as np
import pytest
from PIL import Image

from safegen.database import connect, reading, writing
from safegen.modality.image import ImageModality
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log import fingerprints, tables
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.originals import Original
from safegen.schemas.log import LogEntry
from safegen.verification.recovery import chance
from tests.verification.recovery.copies import WAYS, encoded
from tests.verification.recovery.photographs import crops

pytestmark = pytest.mark.benchmark

MILLION = 10**6
VIEWS = 3  # of a copy; 2.5 on average
COPIES = 200


def test_a_near_code_among_a_million(url):
    engine = connect(url, tables.tables)
    codes = np.random.default_rng(0).integers(0, 2**64, MILLION, dtype=np.uint64)
    data = codes.tobytes()
    for start in range(0, MILLION, 50_000):
        part = range(start, min(start + 50_000, MILLION))
        with writing(engine) as connection:
            fingerprints.add(connection, [(at, data[8 * at : 8 * at + 8]) for at in part])
    asked = [data[8 * at : 8 * at + 8] for at in (5, 777_777, 999_999)][:VIEWS]
    taken = {"first": [], "again": []}
    for _ in range(20):
        index = fingerprints.Codes()
        for when, times in taken.items():
            started = time.perf_counter()
            with reading(engine) as connection:
                found = index.nearest(connection, asked, within=4, most=5)
            times.append(time.perf_counter() - started)
            assert {each.number for each in found} == {5, 777_777, 999_999}, when
    engine.dispose()
    told = {when: f"{1000 * statistics.median(times):.0f} ms" for when, times in taken.items()}
    print(f"\n{url.partition(':')[0]}: {told}")


def test_appends_that_keep_originals_beside_appends_that_do_not(url, tmp_path):
    """Per output; a release of one takes the time of signing its manifest and more besides."""
    pki.init(tmp_path / "keys")
    signer, ledger = open_signer(tmp_path / "keys"), Ledger(url)
    rng, noise = np.random.default_rng(0), np.random.default_rng(1).bytes(8_000)
    taken = {True: [], False: []}
    for batch in range(40):
        entries = [
            LogEntry(
                kind="output",
                file_digest=f"sha256:{batch * 100 + each:064x}",
                model_digest=None,
                policy_digest=None,
                time="2026-01-01T00:00:00+00:00",
            )
            for each in range(100)
        ]

        def keep(appended):
            return [
                Original(
                    number=proof.index,
                    code=rng.bytes(8),
                    label=f"urn:c2pa:{rng.bytes(16).hex()}",
                    manifest=noise + rng.bytes(1_000) + noise[:8_000],
                    receipt=noise[:6_000] + rng.bytes(1_000) + noise[:5_000],
                )
                for proof in appended.proofs
            ]

        started = time.perf_counter()
        ledger.append(entries, signer=signer, before_commit=keep if batch % 2 else None)
        taken[bool(batch % 2)].append(time.perf_counter() - started)
    kept, bare = (10 * statistics.median(taken[each]) for each in (True, False))
    print(f"\n{url.partition(':')[0]}: {kept:.2f} ms an output, without {bare:.2f}")


@pytest.mark.parametrize("name", ["FashionMNIST", "MNIST"])
def test_how_near_foreign_pictures_come(shared_data, name):
    raw = (shared_data / name / "raw" / "train-images-idx3-ubyte.gz").read_bytes()
    pictures = np.frombuffer(gzip.decompress(raw)[16:], np.uint8).reshape(-1, 28, 28)
    files = (_file(each) for each in pictures[:30_000])
    codes = [ImageModality.fingerprint(each, to_compare=True) for each in files]
    known = np.frombuffer(b"".join(codes), np.uint64)
    counted = np.zeros(65, int)
    for picture in pictures[40_000:41_500]:
        views = np.frombuffer(
            b"".join(ImageModality.fingerprints_to_find(_file(picture))), np.uint64
        )
        nearest = np.min([np.bitwise_count(known ^ view) for view in views], axis=0)
        counted += np.bincount(nearest, minlength=65)
    as_near = np.cumsum(counted)
    print(f"\n{name}: {dict(zip(range(0, 16, 2), as_near[:16:2].tolist(), strict=True))}")
    assert counted.sum() == chance.PAIRS
    assert all(as_near[bits] <= count for bits, count in chance.AS_NEAR.items())


def test_how_many_copies_are_found_by_fingerprint(shared_data):
    raw = (shared_data / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz").read_bytes()
    garments = np.frombuffer(gzip.decompress(raw)[16:], np.uint8).reshape(-1, 28, 28)[:COPIES]
    sets = {
        "photographs": crops("china.jpg", COPIES // 2, 1) + crops("flower.jpg", COPIES // 2, 2),
        "garments": [Image.fromarray(each) for each in garments],
    }
    found = {name: _found(pictures) for name, pictures in sets.items()}
    print(f"\nof {COPIES}: right, wrong")
    for way in WAYS:
        print(f"{way:<34}", *(f"{name} {found[name][way]}" for name in sets))


def _found(pictures):
    """For each way, how many copies lead to their picture, and how many to another."""
    codes = [ImageModality.fingerprint(encoded(each), to_compare=True) for each in pictures]
    known = np.frombuffer(b"".join(codes), np.uint64)
    counted = {}
    for name, way in WAYS.items():
        right = wrong = 0
        for place, picture in enumerate(pictures):
            views = b"".join(ImageModality.fingerprints_to_find(way(picture)))
            views = np.frombuffer(views, np.uint64)
            distances = np.min([np.bitwise_count(known ^ view) for view in views], axis=0)
            if chance.error(int(distances.min()), len(pictures)) <= chance.LIKELY:
                at_once = distances[place] == distances.min()
                right, wrong = right + at_once, wrong + (not at_once)
        counted[name] = (int(right), int(wrong))
    return counted


def _file(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return file.getvalue()
