"""A log of 100 real pictures, made once."""

from pathlib import Path

import pytest

from safegen.provenance.keys.opener import open_signer
from safegen.schemas.receipt import read_receipt
from tests.verification.recovery.photographs import crops, release


@pytest.fixture(scope="session")
def like(made):
    """A real receipt."""
    return read_receipt(next(Path(made.outputs).glob("*.receipt.json")).read_bytes())


@pytest.fixture(scope="session")
def releases(made, like, tmp_path_factory):
    """100 pictures of two photographs."""
    location = str(tmp_path_factory.mktemp("releases") / "releases.db")
    return release(
        crops("china.jpg", 58, 1) + crops("flower.jpg", 42, 2),
        location,
        open_signer(made.keys),
        like,
    )
