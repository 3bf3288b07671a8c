"""What tests share: a small private model made once, and folders that no test leaves behind."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import http.server
import io
import json
import os
import pwd
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import uuid
import wave
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

hypothesis.settings.register_profile("house", deadline=None)  # machines differ and are shared
hypothesis.settings.load_profile("house")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads; see safegen.cli.main
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # side by side: to each its share
    share = max(1, (os.cpu_count() or 1) // int(workers))
    os.environ.setdefault("OMP_NUM_THREADS", str(share))

ROOT = Path(__file__).resolve().parents[1]
# pytest's own path (`pythonpath` in pyproject.toml) is not that of processes that tests start,
# which would find whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
).strip(os.pathsep)
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
def shared_folder(tmp_path_factory) -> Path:
    """One folder for all processes that run the tests side by side."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="module", autouse=True)
def _fixtures_rehearse_each_sort_of_run_once(shared_folder):
    with pytest.MonkeyPatch.context() as patch:
        _rehearse_each_sort_once(patch, shared_folder)
        yield


@pytest.fixture(autouse=True)
def _tests_rehearse_each_sort_of_run_once(request, monkeypatch, shared_folder):
    """Runs of one sort are rehearsed by whoever trains first; faults are planted elsewhere.

    Tests that plant one and train say so (`rehearses`), and `tests/pipeline/train/test_leaks.py`
    goes through every run of its own. Nothing is imported for this.
    """
    run = sys.modules.get("safegen.pipeline.train.run")
    if run is None or not request.node.get_closest_marker("rehearses"):
        _rehearse_each_sort_once(monkeypatch, shared_folder)
        return
    for name in ("rehearse", "rehearse_run"):
        monkeypatch.setattr(run, name, getattr(sys.modules["safegen.pipeline.train.dry_run"], name))


def _rehearse_each_sort_once(patch, folder):
    run = sys.modules.get("safegen.pipeline.train.run")
    if run is None:
        return
    dry_run = sys.modules["safegen.pipeline.train.dry_run"]
    kept = folder / "rehearsed"
    kept.mkdir(exist_ok=True)

    def once(rehearsal, *sort):
        mark = kept / hashlib.sha256(repr(sort).encode()).hexdigest()
        if not mark.exists():
            rehearsal()
            mark.touch()

    def engine_once(training, plan, shape):
        started = {"prior": None, "prior_pictures": 0, "prior_epochs": 0}  # the engine sees none
        recipe, execution = training._recipe.model_copy(update=started), training.engine._execution
        sort = type(training._objective), shape, recipe, execution, plan.records_per_unit, plan.unit
        once(lambda: dry_run.rehearse(training, plan, shape), "engine", *sort)

    def run_once(small):
        sort = small.architecture, small.recipe, small.execution, small.plan.unit
        once(lambda: dry_run.rehearse_run(small), "run", *sort)

    patch.setattr(run, "rehearse", engine_once)
    patch.setattr(run, "rehearse_run", run_once)


@pytest.fixture(scope="session")
def few_pictures():
    """Makes runs learn their first weights of few pictures, once: what is learnt is others' test.

    It is given the patch that it lasts as long as.
    """

    def make_few(patch):
        from safegen.pipeline.train import run

        whole = run.preset_for

        def few(*asked):
            chosen = whole(*asked)
            recipe = chosen.recipe.model_copy(update={"prior_pictures": 300, "prior_epochs": 1})
            return dataclasses.replace(chosen, recipe=recipe)

        patch.setattr(run, "preset_for", few)

    return make_few


@pytest.fixture(scope="session")
def made(shared_folder, tmp_path_factory, _own_home) -> Made:
    """A VAE trained privately on real digits, with four outputs; made once for all processes."""
    kept = shared_folder / "made-once"
    with (shared_folder / "made-once.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not kept.exists():
            _make(Made(tmp_path_factory.mktemp("making"))).folder.rename(kept)
    folder = tmp_path_factory.mktemp("made") / "made"
    shutil.copytree(kept, folder)
    return Made(folder)


def _make(made: Made) -> Made:
    import safegen
    from safegen.provenance.keys import pki

    pki.init(made.keys)
    model = safegen.train(
        "digits",
        out=made.model,
        training=safegen.TrainingConfig(steps=STEPS, pretraining="none"),
        workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger),
    )
    four = model.generate(4, label=7, seed=0, purpose="a test", name="{number:04}", explain="full")
    four.save(made.outputs)
    return made


@pytest.fixture(scope="module")
def made_apart(made, tmp_path_factory) -> Made:
    """The same in a folder of the module's own, for those who change it."""
    folder = tmp_path_factory.mktemp("apart") / "made"
    shutil.copytree(made.folder, folder)
    return Made(folder)


@pytest.fixture(scope="session")
def model(made):
    import safegen

    return safegen.load(made.model, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger))


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


@pytest.fixture
def signer(made):
    from safegen.provenance.keys.opener import open_signer

    return open_signer(made.keys)


@pytest.fixture(scope="session")
def media() -> dict[str, bytes]:
    """Small whole files by media type, none of them signed; for formats and for hostile input.

    The first eight carry their manifest (`formats.EMBEDDED`), the other four have it beside them.
    Every picture is noise, so that a changed pixel shows, and the GIF and the WebP are animated.
    """
    return {
        "image/png": _picture("PNG"),
        "image/jpeg": _picture("JPEG"),
        "image/webp": _picture("WEBP", frames=2, lossless=True),
        "image/tiff": _picture("TIFF"),
        "image/avif": _picture("AVIF"),
        "image/gif": _picture("GIF", frames=2),
        "audio/wav": _sound(),
        "video/mp4": _film(),
        "image/bmp": _picture("BMP"),
        "text/csv": b"age,income\n34,51000\n57,62000\n",
        "application/json": json.dumps([{"age": 34}, {"age": 57}]).encode(),
        "application/octet-stream": _arrays(),
    }


def _picture(kind, *, frames=1, **options):
    drawn = np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in drawn]
    file = io.BytesIO()
    if others:
        options |= {"save_all": True, "append_images": others}
    first.save(file, kind, **options)
    return file.getvalue()


def _sound():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(range(256)) * 10)
    return file.getvalue()


def _film(brand=b"isom", also=b"isommp41"):
    """The smallest film that C2PA takes: a header, a clock, and data that no track speaks of."""
    fixed = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    clock = struct.pack(">5I", 0, 0, 0, 1000, 0) + struct.pack(">IH", 0x10000, 0x100)
    header = _box(b"mvhd", clock + bytes(10) + fixed + bytes(24) + struct.pack(">I", 1))
    kind = _box(b"ftyp", brand + struct.pack(">I", 512) + also)
    return kind + _box(b"moov", header) + _box(b"mdat", b"some media bytes" * 20)


def _box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def _arrays():
    file = io.BytesIO()
    np.savez(file, rows=np.arange(12).reshape(4, 3))
    return file.getvalue()


@pytest.fixture(scope="session")
def covered() -> dict[str, bytes]:
    """Small whole files of types that C2PA covers and that get their manifest beside them."""
    return {
        "video/x-msvideo": _avi(),
        "image/svg+xml": b'<?xml version="1.0"?>\n<!-- drawn by hand -->\n'
        b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4"/></svg>',
        "application/pdf": pdf(),
        "image/heic": _film(b"heic", b"mif1"),
        "audio/mpeg": b"ID3\x03\0\0\0\0\0\x0eTIT2\0\0\0\x03\0\0\0d\0\xff\xfb\x90\0" + bytes(413),
        "audio/flac": b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6)
        + bytes.fromhex("0ac442f0") + bytes(20),
        "image/jxl": b"\0\0\0\x0cJXL \r\n\x87\n"
        + _box(b"ftyp", b"jxl \0\0\0\0jxl ") + _box(b"jxlc", b"\xff\x0a" + bytes(20)),
        "audio/mp4": _film(b"M4A "),
        "video/quicktime": _film(b"qt  ", b"qt  "),
        "application/zip": _archive(),
    }  # fmt: skip


@pytest.fixture(scope="session")
def pdf_with():
    """The function `pdf`, for modules that cannot import it."""
    return pdf


def _avi():
    def chunk(kind, body):
        return kind + struct.pack("<I", len(body)) + body

    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56)))
    film = chunk(b"LIST", b"movi" + chunk(b"00dc", bytes(range(64))))
    return chunk(b"RIFF", b"AVI " + header + film)


def pdf(store: bytes | None = None) -> bytes:
    """A page without a word; with a manifest store as C2PA puts it into a PDF."""
    carried = b"/AF[4 0 R]/Names<</EmbeddedFiles<</Names[(c) 4 0 R]>>>>" if store else b""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + carried + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>",
    ]
    if store:
        objects += [
            b"<</Type/FileSpec/AFRelationship/C2PA_Manifest/F(c)/UF(c)/EF<</F 5 0 R>>>>",
            b"<</Length %d>>stream\n%s\nendstream" % (len(store), store),
        ]
    whole, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(whole))
        whole += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % each for each in places)
    count = len(objects) + 1
    return (
        whole + b"xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R>>\n" % (count, table, count)
        + b"startxref\n%d\n%%%%EOF\n" % len(whole)
    )  # fmt: skip


def _archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "words")
    return file.getvalue()


class Authority:
    """A time-stamp authority (RFC 3161) on this machine, with openssl behind it.

    Attributes:
        url: its address.
        root: PEM of its root, a file.
        asked: how often it was.
        answer: how it answers: `stamp`, `500`, `junk`, `hang` or `replay` (an earlier stamp).
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root.pem"
        self.asked, self.answer, self._last = 0, "stamp", b""
        self._hung, self._one_at_a_time = threading.Event(), threading.Lock()
        _authority_keys(folder)
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["content-length"]))
                authority.asked += 1
                if authority.answer == "hang":
                    authority._hung.wait(60)
                    return
                reply = authority.reply(query)
                self.send_response(500 if authority.answer == "500" else 200)
                self.send_header("content-type", "application/timestamp-reply")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *words):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def reply(self, query: bytes) -> bytes:
        if self.answer in {"500", "junk"}:
            return b"no stamp"
        if self.answer == "replay":
            return self._last
        with self._one_at_a_time:
            return self._stamp(query)

    def _stamp(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        done = subprocess.run(
            ["openssl", "ts", "-reply", "-config", self.folder / "tsa.cnf",
             "-queryfile", self.folder / "query"],
            capture_output=True, check=True,
        )  # fmt: skip
        self._last = done.stdout
        return done.stdout

    def close(self) -> None:
        self._hung.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _authority_keys(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID

    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    root = issue("authority root", keys[0], None, authority=True)
    leaf = issue("authority", keys[1], (root, keys[0]), usages=[ExtendedKeyUsageOID.TIME_STAMPING])
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "leaf.key").write_bytes(
        keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = own\n[own]\nserial = {folder}/serial\ncrypto_device = builtin\n"
        f"signer_cert = {folder}/leaf.pem\ncerts = {folder}/root.pem\n"
        f"signer_key = {folder}/leaf.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n"
        "digests = sha256, sha384, sha512\naccuracy = secs:1\ness_cert_id_alg = sha256\n"
    )


def issue(name, key, issuer, *, authority=False, usages=(), lasting=timedelta(days=30)):
    """A certificate, signed by `issuer` (certificate and key) or by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    names = ((NameOID.ORGANIZATION_NAME, "tests"), (NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in names])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    ) | dict.fromkeys(("key_cert_sign", "crl_sign"), authority)  # fmt: skip
    usage |= dict.fromkeys(("digital_signature", "content_commitment"), not authority)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lasting)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="session")
def issued():
    """The function that makes certificates, for tests that need one of their own kind."""
    return issue


@pytest.fixture(scope="session")
def _authority(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    yield authority
    authority.close()


@pytest.fixture
def authority(_authority):
    """A real time-stamp authority that answers with stamps unless a test says otherwise."""
    _authority.asked, _authority.answer = 0, "stamp"
    return _authority
