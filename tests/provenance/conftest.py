"""Entries and signers for what keeps a log."""

import pytest

from safegen.provenance import pki
from safegen.provenance.signer import open_signer
from safegen.records.log import LogEntry


def make(number):
    return LogEntry(
        kind="output",
        file_digest=f"sha256:{number:064x}",
        model_digest="sha256:aa",
        policy_digest=None,
        time="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def entry():
    return make


@pytest.fixture
def entries():
    return lambda *numbers: [make(number) for number in range(*numbers)]


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signer") / "keys"
    pki.init(folder)
    return folder


@pytest.fixture(scope="session")
def signer(keys):
    return open_signer(keys)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger") / "keys"
    pki.init(folder, organisation="somebody else")
    return open_signer(folder)
