"""What tests share: a small private model made once, and folders that no test leaves behind."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
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


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of our own, which a test may kill and start again."""

    programs: Path
    data: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://safegen@/{database}?host={self.data.parent}"

    def start(self) -> None:
        options = f"-c listen_addresses= -k {self.data.parent} -c max_connections=60"
        self._control("-w", "-o", options, "-l", self.data.parent / "log", "start")

    def stop(self, mode: str) -> None:
        """Stop; `immediate` is a crash, after which the server has its log to go through."""
        self._control("-m", mode, "stop")

    def initialise(self) -> None:
        self._run("initdb", "-D", self.data, "-U", "safegen", "-A", "trust", "-E", "UTF8", "-N")

    def _control(self, *arguments: str | Path) -> None:
        self._run("pg_ctl", "-D", self.data, *arguments)

    def _run(self, program: str, *arguments: str | Path) -> None:
        """PostgreSQL refuses to run for the superuser."""
        become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*become, self.programs / program, *arguments]
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr


def _programs() -> Path:
    """Where PostgreSQL's programs are: on the path, or where Debian puts them."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not found:
        pytest.skip(
            "no PostgreSQL here: install Debian's package postgresql, or set SAFEGEN_TEST_POSTGRES "
            "to the URL of a server on which databases may be made"
        )
    return found[0]


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextlib.contextmanager
def _served():
    """A server in a folder of its own, reached through a socket there; gone afterwards."""
    programs = _programs()
    if os.geteuid() == 0 and not _is_user("postgres"):
        pytest.skip("PostgreSQL does not run for the superuser, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="sg-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(programs=programs, data=folder / "data")
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop("fast")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgres():
    """The URL of a server's first database; the server is our own unless one is named."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'safegen[postgres]'")
    named = os.environ.get("SAFEGEN_TEST_POSTGRES")
    if named:
        yield named
        return
    with _served() as server:
        yield server.url("postgres")


@pytest.fixture
def postgres_server():
    """A server that a test may kill."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'safegen[postgres]'")
    with _served() as server:
        yield server


@pytest.fixture
def postgres_url(_postgres):
    """An empty PostgreSQL database."""
    import sqlalchemy as sql

    url = sql.make_url(_postgres).set(drivername="postgresql+psycopg")
    name = f"safegen_{uuid.uuid4().hex[:12]}"
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sql.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path):
    return str(tmp_path / "test.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """An empty database of each kind."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return request.getfixturevalue(kind)
