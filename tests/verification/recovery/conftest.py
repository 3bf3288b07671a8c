"""A log of 100 real pictures, made once."""

import shutil
from pathlib import Path

import pytest

from safegen.provenance.keys.opener import open_signer
from safegen.schemas.receipt import read_receipt
from tests.verification.recovery.photographs import Releases, crops, release


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


@pytest.fixture
def copied(releases, tmp_path):
    """The same log in a file that may be changed."""
    path = shutil.copy(releases.location, tmp_path / "releases.db")
    return Releases(location=str(path), released=releases.released)
