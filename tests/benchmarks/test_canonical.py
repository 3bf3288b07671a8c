"""What the quick way to canonical bytes saves beside the library, its oracle, in one run."""

import timeit
from pathlib import Path

import pytest
import rfc8785

from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.receipt import Receipt

pytestmark = pytest.mark.benchmark

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TIMES = 200
LEAST = 1.5  # times as fast, or a second writer of signed bytes is not worth keeping


def test_the_quick_way_is_worth_its_lines():
    """On receipts, whose explanations hold hundreds of numbers."""
    receipt = Receipt.model_validate_json((GOLDEN / "receipt.json").read_bytes())

    def by_library():
        return rfc8785.dumps(receipt.model_dump(mode="json"))

    assert canonical_bytes(receipt) == by_library()
    ours, theirs = (
        min(timeit.repeat(way, number=TIMES, repeat=7)) / TIMES
        for way in (lambda: canonical_bytes(receipt), by_library)
    )
    print(f"\na receipt: {ours * 1e3:.2f} ms, by rfc8785 {theirs * 1e3:.2f} ms")
    assert theirs / ours > LEAST
