"""Nothing leaves a process that looks at a file, whatever addresses the file names.

The C2PA SDK is compiled, so Python hears nothing of what it asks for. The commands here run where
the kernel ends a process that as much as asks for a socket that could lead anywhere (SIGSYS).
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID

import safegen
from safegen.provenance.c2pa import sdk
from safegen.provenance.c2pa.claims import IPTC
from safegen.provenance.keys import pki
from safegen.verification.workers import offline

GUARD = (
    "from safegen.verification.workers.offline import refuse_network; "
    "assert refuse_network(fatal=True); "
)
COMMAND = f"{GUARD}from safegen.cli import main; main()"
AWAY = "nobody.example"
ACTIONS = {
    "label": "c2pa.actions.v2",
    "created": True,
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": f"{IPTC}digitalCapture"}]},
}

pytestmark = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", GUARD], capture_output=True, check=False).returncode != 0,
    reason="this system ends no process that asks for a socket (seccomp)",
)


def guarded(code, *arguments, cwd=None):
    """Run Python where asking for a socket ends the process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


@pytest.fixture(scope="module")
def server():
    """An address on this machine that keeps who asked, and answers nobody."""
    listener, asked = socket.create_server(("127.0.0.1", 0)), []

    def listen():
        while True:
            try:
                asked.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    yield SimpleNamespace(place=f"localhost:{listener.getsockname()[1]}", asked=asked)
    listener.close()
    for connection, _ in asked:
        connection.close()


def elsewhere(place):
    """Assertions of other kinds that name addresses."""
    schema = {"@context": {"x": f"http://{place}/ns/"}, "$schema": f"http://{place}/schema.json"}
    linked = {"url": f"http://{place}/data", "alg": "sha256", "hash": [0] * 32}
    return [
        {"label": "stds.schema-org.CreativeWork", "kind": "Json", "data": schema},
        {"label": "c2pa.metadata", "data": {"@context": {"dc": f"http://{place}/"}, "dc:x": "y"}},
        {"label": "c2pa.external-reference", "data": {"location": linked}},
        {"label": "c2pa.cloud-data", "data": {"label": "c2pa.metadata", "location": linked,
                                              "size": 1, "content_type": "application/json"}},
        {"label": "org.example.time-stamps", "data": {"ta_url": f"http://{place}/tsa"}},
    ]  # fmt: skip


def answering(place):
    """A certificate's extensions that say where it can be asked after."""
    at = x509.UniformResourceIdentifier
    ways = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
    return [
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(way, at(f"http://{place}/{way.dotted_string}")) for way in ways]
        ),
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([at(f"http://{place}/crl")], None, None, None)]
        ),
    ]


def _by_host(forge, persons, place):
    return forge.signed(person=persons.in_the_word_of(f"did:web:{place.replace(':', '%3A')}"))


def _by_number(forge, persons, place):
    """The same hosts without a name to ask after."""
    return _by_host(forge, persons, place.replace("localhost", "127.0.0.1"))


def _by_key(forge, persons, place):
    key = ed25519.Ed25519PrivateKey.generate()
    return forge.signed(person=persons.in_the_word_of(persons.by_key(key), key))


def _by_another_method(forge, persons, place):
    return forge.signed(person=persons.in_the_word_of(f"did:plc:{place}"))


def _by_certificate(forge, persons, place):
    leaf = forge.leaf(extensions=answering(place))
    return forge.signed(person=persons.with_certificate([leaf], forge.key))


def _manifest_there(forge, persons, place):
    return forge.signed(remote=f"http://{place}/manifest.c2pa", embed=False)


def _manifest_here_and_there(forge, persons, place):
    return forge.signed(remote=f"http://{place}/manifest.c2pa")


def _certificate(forge, persons, place):
    return forge.signed(forge.leaf(extensions=answering(place)))


def _schemas_and_data(forge, persons, place):
    return forge.signed(assertions=[ACTIONS, *elsewhere(place)])


KINDS = (  # of addresses that a manifest can name
    _by_host, _by_number, _by_key, _by_another_method, _by_certificate, _manifest_there,
    _manifest_here_and_there, _certificate, _schemas_and_data,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(forge, persons, server, tmp_path_factory):
    """A file for each kind of address, to this machine and away, itself and as an ingredient."""
    folder = tmp_path_factory.mktemp("addresses")
    for make in KINDS:
        for place, name in ((server.place, "here"), (AWAY, "away")):
            data = make(forge, persons, place)
            (folder / f"{make.__name__}-{name}.png").write_bytes(data)
            made = forge.signed(ingredients=[("part", data)])
            (folder / f"{make.__name__}-{name}-within.png").write_bytes(made)
            deep = forge.signed(ingredients=[("part", made)])
            (folder / f"{make.__name__}-{name}-deep.png").write_bytes(deep)
    pki.init(folder / "keys")
    return folder


def test_the_guard_ends_whoever_asks():
    """Or none of the tests below could fail."""
    done = guarded(f"{GUARD}import socket; socket.create_connection(('127.0.0.1', 9))")
    assert done.returncode == -signal.SIGSYS
    done = guarded(f"{GUARD}import socket; socket.getaddrinfo('{AWAY}', 443)")
    assert done.returncode == -signal.SIGSYS


@pytest.mark.parametrize("kind", [_by_host, _manifest_there, _certificate])
def test_the_reader_itself_would_ask(folder, forge, kind):
    """The files are what they are meant to be: with its own settings, the SDK asks."""
    code = (
        f"{GUARD}import c2pa, sys; from pathlib import Path\n"
        "lists = [{'trust_anchors': Path(sys.argv[2]).read_text(), 'trust_uri': 'ours',"
        " 'trust_kind': 'manifest'}]\n"
        "trust = {'trust_config': sys.argv[3], 'anchors': lists}\n"
        "settings = {'trust': trust, 'verify': {'ocsp_fetch': True}}\n"
        "c2pa.Reader(sys.argv[1], context=c2pa.Context.from_dict(settings))"
    )
    path = folder / f"{kind.__name__}-away.png"
    done = guarded(code, path, forge.trust, sdk.KEY_USAGES)
    assert done.returncode == -signal.SIGSYS, done


def test_verify_asks_nobody(folder, forge, server):
    files = sorted(folder.glob("*.png"))
    assert len(files) == 6 * len(KINDS)
    done = guarded(COMMAND, "verify", *files, "--trust", forge.trust, "--json")
    assert done.returncode == 1, done.stderr
    verdicts = json.loads(done.stdout)
    codes = {code for verdict in verdicts for each in verdict["findings"] for code in each["codes"]}
    assert not {code for code in codes if code.endswith(("crashed", "too-long"))}
    assert "cawg.ica.did_unavailable" in codes
    assert server.asked == []


def test_one_file_asks_nobody(folder, forge, server):
    code = (
        f"{GUARD}import safegen, sys; "
        "print(*(safegen.verify(each, trust=sys.argv[1]).text for each in sys.argv[2:]), sep='\\n')"
    )
    files = sorted(folder.glob("*.png"))
    done = guarded(code, forge.trust, *files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files)
    assert "broke" not in done.stdout
    assert server.asked == []


def test_sign_asks_nobody(folder, server, tmp_path):
    """What a file was before is read, checked and written into its manifest."""
    for path in folder.glob("*.png"):
        shutil.copy(path, tmp_path)
    code = (
        f"{GUARD}import safegen, sys\n"
        "for each in sys.argv[2:]:\n"
        "    try: print(safegen.sign(each, keys=sys.argv[1], source='algorithm').manifest.state)\n"
        "    except safegen.SafegenError as error: print(error)\n"
    )
    files = sorted(tmp_path.glob("*.png"))
    done = guarded(code, folder / "keys", *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files)
    assert "Trusted" in done.stdout
    assert server.asked == []


def test_explain_asks_nobody(folder, server, tmp_path):
    code = (
        f"{GUARD}import sys; from pathlib import Path\n"
        "from safegen import SafegenError; from safegen.pipeline.explain import read_explained\n"
        "for each in sys.argv[1:]:\n"
        "    try: read_explained(Path(each))\n"
        "    except SafegenError as error: print(error)\n"
    )
    files = sorted(folder.glob("*.png"))
    done = guarded(code, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files)
    assert server.asked == []


def test_the_settings_alone_hold_where_the_kernel_does_not(folder, server):
    """What `sign` and `explain` rest on: they may have to reach a key service themselves."""
    code = (
        f"{GUARD}import sys; from pathlib import Path; "
        "from safegen.provenance.c2pa.manifest import UnreadableManifestError, read\n"
        "for each in sys.argv[1:]:\n"
        "    try: read(Path(each).read_bytes(), 'image/png')\n"
        "    except UnreadableManifestError: pass\n"
    )
    assert guarded(code, *sorted(folder.glob("*.png"))).returncode == 0
    assert server.asked == []


def test_a_process_that_verifies_has_no_network_at_all(tmp_path):
    """The second lock, were the first one's key forgotten in an update."""
    door = "from safegen.verification.workers.offline import refuse_network"
    code = f"import socket; {door}; refuse_network(); "
    done = guarded(f"{code}socket.create_connection(('127.0.0.1', 9))")
    assert "PermissionError" in done.stderr
    done = guarded(f"{code}socket.socket(socket.AF_UNIX).close()")
    assert done.returncode == 0


def test_a_time_stamp_from_a_named_authority_is_still_had(forge, stamps, folder, tmp_path):
    """Also for a file whose parent names addresses."""
    mine = shutil.copy(folder / "_certificate-here-within.png", tmp_path)
    ledger = tmp_path / "ledger.db"
    signed = safegen.sign(mine, keys=folder / "keys", ledger=ledger, time_stamps=stamps.url)
    assert signed.manifest.time_stamp is not None
    assert signed.unstamped is None


def test_elsewhere_the_settings_hold_alone(monkeypatch):
    monkeypatch.setattr(offline.sys, "platform", "darwin")
    assert offline.refuse_network() is False
    assert sdk._context(None) is not None
