"""What tests share: a small private model made once, and folders that no test leaves behind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("house", deadline=None)  # machines differ and are shared
hypothesis.settings.load_profile("house")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads; see safegen.cli.main

STEPS = 40  # enough to be a real run; the pictures need not be good


@dataclass(frozen=True)
class Made:
    """A trained model, and everything that belongs to it."""

    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def root(self) -> Path:
        return self.folder / "keys" / "root.pem"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory):
    """No test reads or writes the user's own budget and cache."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAFEGEN_BUDGET", str(home / "budget.db"))
        patch.setenv("SAFEGEN_CACHE", str(home / "cache"))
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory, _own_home) -> Made:
    """A VAE trained privately on real digits, with four outputs."""
    import safegen
    from safegen.provenance import pki

    made = Made(tmp_path_factory.mktemp("made"))
    pki.init(made.keys)
    model = safegen.train("digits", out=made.model, steps=STEPS, keys=made.keys, ledger=made.ledger)
    model.generate(4, label=7, seed=0, purpose="a test").save(made.outputs)
    return made


@pytest.fixture(scope="session")
def model(made):
    import safegen

    return safegen.load(made.model, keys=made.keys, ledger=made.ledger)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets that are not in the repository."""
    folder = Path(
        os.environ.get("SAFEGEN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    if not folder.is_dir():
        pytest.skip(f"no real data sets at {folder}; set SAFEGEN_DATA to the folder that has them")
    return folder
