"""Certificates of every kind, two judges that are not us, and entries for what keeps a log."""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import encypher_c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from PIL import Image

from safegen.provenance.c2pa import manifest, sdk
from safegen.provenance.c2pa.claims import Claim
from safegen.provenance.keys import algorithms, pki
from safegen.provenance.keys.opener import open_signer
from safegen.schemas.log import LogEntry

PEM = serialization.Encoding.PEM
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
CREATED = {
    "label": "c2pa.actions.v2",
    "data": {
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
                "trainedAlgorithmicMedia",
            }
        ]
    },
    "created": True,
}
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: object

    @property
    def pem(self):
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def usage(*names):
    return x509.KeyUsage(**{name: name in names for name in USAGES})


def issue(  # noqa: C901 - one branch for each thing that can be wrong
    name,
    *,
    issuer=None,
    key=None,
    public_key=None,
    ca=False,
    length=0,
    usages=(pki.CLAIM_SIGNING, pki.DOCUMENT_SIGNING),
    key_usage="usual",
    critical=True,
    authority_id=True,
    subject_id=True,
    constraints=True,
    start=-1.0,
    days=365.0,
    hashed=None,
    pss=False,
    signed_by=None,
    extra=(),
):
    """Issue a certificate that is right unless something is asked to be wrong; times in days."""
    if key is None and public_key is None:
        key = ec.generate_private_key(ec.SECP384R1() if ca else ec.SECP256R1())
    public = public_key or key.public_key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    signing = signed_by or (issuer.key if issuer else key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=start))
        .not_valid_after(now + timedelta(days=days))
    )
    add = []
    if constraints:
        add.append((x509.BasicConstraints(ca, length if ca else None), True))
    if subject_id:
        add.append((x509.SubjectKeyIdentifier.from_public_key(public), False))
    if authority_id:
        of = (issuer.key if issuer else key).public_key()
        add.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(of), False))
    if key_usage == "usual":
        key_usage = ("key_cert_sign", "crl_sign") if ca else ("digital_signature",)
    if key_usage:
        add.append((usage(*key_usage), critical))
    if usages and not ca:
        add.append((x509.ExtendedKeyUsage(list(usages)), False))
    for extension, is_critical in (*add, *extra):
        builder = builder.add_extension(extension, is_critical)
    if isinstance(signing, ed25519.Ed25519PrivateKey):
        return Issued(builder.sign(signing, None), key)
    if pss:
        form = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return Issued(builder.sign(signing, hashes.SHA256(), rsa_padding=form), key)
    return Issued(builder.sign(signing, hashed or hashes.SHA384()), key)


@pytest.fixture(scope="session")
def forge():
    """The function `issue`, for modules that cannot import it."""
    return issue


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def root():
    return issue("root", ca=True, length=1)


@pytest.fixture(scope="session")
def issuing(root):
    return issue("issuing CA", ca=True, issuer=root)


@pytest.fixture(scope="session")
def keys_of(rsa_key):
    """A private key for each algorithm."""
    return {
        "es256": ec.generate_private_key(ec.SECP256R1()),
        "es384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ps256": rsa_key,
    }


@pytest.fixture(scope="session")
def picture():
    stream = io.BytesIO()
    Image.frombytes("L", (64, 64), bytes(range(256)) * 16).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def seal(picture):
    """Sign a picture through C2PA's own library: `seal(algorithm, chain, sign)`."""

    def raw(algorithm, signature):
        width = {"es256": 32, "es384": 48}.get(algorithm)
        if width is None:
            return signature
        return b"".join(part.to_bytes(width, "big") for part in decode_dss_signature(signature))

    def seal(algorithm, chain, sign):
        signer = c2pa.Signer.from_callback(
            lambda data: raw(algorithm, sign(data)),
            getattr(c2pa.C2paSigningAlg, algorithm.upper()),
            chain.decode(),
            None,
        )
        claim = {
            "claim_generator_info": [{"name": "test", "version": "1", "specVersion": "2.4.0"}],
            "assertions": [CREATED],
        }
        sealed = io.BytesIO()
        with c2pa.Builder(claim, context(None)) as builder:
            builder.sign(signer, "image/png", io.BytesIO(picture), sealed)
        return sealed.getvalue()

    return seal


def context(anchors):
    trust = {"trust_config": sdk.KEY_USAGES}
    if anchors:
        trust["user_anchors"] = anchors.decode()
    return c2pa.Context.from_dict(
        {
            "trust": trust,
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


def verdict(sealed, anchors):
    """What the stricter of two judges says: trusted, untrusted or invalid."""
    with c2pa.Reader("image/png", io.BytesIO(sealed), context=context(anchors)) as reader:
        state = json.loads(reader.json())["validation_state"]
    verdicts = {{"Trusted": "trusted", "Valid": "untrusted", "Invalid": "invalid"}[state]}
    if anchors:
        other = encypher_c2pa.verify(
            sealed,
            "image/png",
            trust_pem=anchors.decode(),
            no_default_trust=True,
            telemetry=False,
            online=False,
        )
        sound = other["integrity"] == other["signature"] == "valid"
        known = other["trust"]["status"] == "valid_for_supplied_material"
        verdicts.add("trusted" if sound and known else "untrusted" if sound else "invalid")
    return next(one for one in ("invalid", "untrusted", "trusted") if one in verdicts)


@pytest.fixture(scope="session")
def judge():
    """The function `verdict`, for modules that cannot import it."""
    return verdict


@pytest.fixture(scope="session")
def sealed_is_trusted(seal, picture):
    """Whether both judges trust what an opened signer signs, in C2PA's hands and in ours."""

    def trusted(signer, root):
        sealed = [seal(signer.algorithm, signer.chain, signer.sign)]
        claim = Claim(title="a test", mime="image/png", assertions=(CREATED,))
        sealed.append(manifest.sign(picture, claim, signer)[0])
        return {verdict(one, root) for one in sealed} == {"trusted"}

    return trusted


@pytest.fixture(scope="session")
def certified(forge, issuing, keys_of):
    """A leaf over each algorithm's key."""
    return {
        algorithm: forge(f"signer {algorithm}", issuer=issuing, key=key)
        for algorithm, key in keys_of.items()
    }


@pytest.fixture
def place(tmp_path, issuing, root):
    """Write a leaf's chain and the root, and say which options name them."""

    def write(leaf, *others):
        chain = tmp_path / "chain.pem"
        chain.write_bytes(leaf.pem + b"".join(one.pem for one in others or (issuing,)))
        (tmp_path / "root.pem").write_bytes(root.pem)
        return f"chain={chain}&trust={tmp_path / 'root.pem'}"

    return write


@pytest.fixture(scope="session")
def token_folder(tmp_path_factory):
    """A software token of its own, as a hardware security module would be."""
    if not SOFTHSM.is_file() or shutil.which("softhsm2-util") is None:
        pytest.skip("no software token here; install SoftHSM2 (Debian: softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = "softhsm2-util --init-token --free --pin 123456 --so-pin 654321"
        for label in ("release", "spare"):
            subprocess.run(
                f"{command} --label {label}".split(),
                check=True,
                capture_output=True,
                env=os.environ,
            )
        pin = folder / "pin"
        pin.write_text("123456\n")
        pin.chmod(0o600)
        yield folder


class Internet:
    """Answers on loopback for names of the outside; whatever is not said is not there."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def answer(self, method, url, reply):
        """What a method at a URL gives: `reply(body, headers)` is (status, value, headers)."""
        self.answers[method, url] = reply

    def reply(self, method, url, body, headers):
        self.asked.append((method, url, body))
        known = self.answers.get((method, url.partition("?")[0]))
        return known(body, headers) if known else (404, {"error": f"nothing at {url}"}, {})


@pytest.fixture(scope="session")
def _served(tmp_path_factory):
    """A server with a certificate for every name that a vendor's client calls."""
    folder = tmp_path_factory.mktemp("internet")
    issuing = issue("test network", ca=True)
    names = ("*.googleapis.com", "*.vault.azure.net", "login.microsoftonline.com")
    names += ("kms.eu-central-1.amazonaws.com",)
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    server = issue(
        "server",
        issuer=issuing,
        usages=(x509.oid.ExtendedKeyUsageOID.SERVER_AUTH,),
        extra=((alternative, False),),
    )
    (folder / "ca.pem").write_bytes(issuing.pem)
    (folder / "server.pem").write_bytes(server.key_pem + server.pem)
    current = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = f"https://{self.headers['host']}{self.path}"
            status, value, headers = current["net"].reply(self.command, url, body, self.headers)
            content = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"content-type": "application/json", **headers}.items():
                self.send_header(name, text)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that hung up

    with Server(("127.0.0.1", 0), Handler) as listening:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem")
        listening.socket = tls.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1], folder / "ca.pem", current
        listening.shutdown()


@pytest.fixture
def internet(_served, monkeypatch):
    """Whatever a vendor's own client calls in this test, by its real name, over TLS."""
    port, bundle, current = _served
    current["net"] = net = Internet()

    def resolve(host, *_, **__):
        if host in ("169.254.169.254", "metadata.google.internal") or net.answers == {}:
            raise socket.gaierror(-2, f"there is no {host} here")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for name in ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return net


@pytest.fixture(scope="session")
def verifies():
    return algorithms.verifies


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
def keeper(keys):
    return open_signer(keys)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger") / "keys"
    pki.init(folder, organisation="somebody else")
    return open_signer(folder)
