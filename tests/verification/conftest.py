"""Signers of every sort: certificates as they should not be, time-stamps, revocation."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import itertools
import json
import re
import struct
import subprocess
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import c2pa
import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from safegen.provenance.c2pa.sdk import KEY_USAGES
from safegen.provenance.keys.pki import CLAIM_SIGNING

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = itertools.count(10**40)
ACTIONS = {
    "label": "c2pa.actions.v2",
    "created": True,
    "data": {
        "allActionsIncluded": True,
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
                "trainedAlgorithmicMedia",
            }
        ],
    },
}


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def issue(
    name,
    key,
    issuer=None,
    *,
    authority=False,
    first=NOW - DAY,
    last=NOW + 100 * DAY,
    usage=CLAIM_SIGNING,
    critical=False,
    extensions=(),
):
    """A certificate for a key; without an issuer it signs itself."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    by, by_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    identifier = x509.SubjectKeyIdentifier.from_public_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(next(NAMES))
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(identifier(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=False,
                key_cert_sign=authority,
                crl_sign=authority,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(by_key, hashes.SHA256())


class Forge:
    """A root, and signers that it vouches for, as they should be and as they should not."""

    issue, pem = staticmethod(issue), staticmethod(pem)

    def __init__(self, folder):
        self.folder = folder
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = issue("root", self.root_key, authority=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.good = self.leaf()
        self.trust = folder / "root.pem"
        self.trust.write_bytes(pem(self.root))

    def leaf(self, **changes):
        return issue("signer", self.key, (self.root, self.root_key), **changes)

    def authority(self, name, key, **changes):
        return issue(name, key, (self.root, self.root_key), authority=True, **changes)

    def leaf_of(self, issuer, issuer_key, **changes):
        return issue("signer", self.key, (issuer, issuer_key), **changes)

    def signed(
        self, leaf=None, *, shown=None, stamps=None, ingredients=(), data=None, issuers=(),
        assertions=(ACTIONS,), person=None, remote=None, embed=True,
    ):  # fmt: skip
        """A signed picture; `issuers` are the authorities between its leaf and the root.

        `person` says of the hash of what binds the picture who stands for it (`Persons`). `remote`
        is an address where its manifest is said to lie, and `embed` whether it is in the file as
        well. `shown` is a certificate that the SDK would refuse to sign with: it is exchanged for
        the leaf inside what is signed and inside the file.
        """
        leaf = leaf or self.good
        while shown is not None and len(der(leaf)) != len(der(shown)):
            leaf = self.leaf()  # the length of a signature differs by a byte or two

        statements = []

        def sign(signed):
            signed = signed if shown is None else signed.replace(der(leaf), der(shown))
            statements.append(signed)
            r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")

        signer = c2pa.Signer.from_callback(
            sign, c2pa.C2paSigningAlg.ES256, b"".join(map(pem, (leaf, *issuers))).decode(), stamps
        )
        target = io.BytesIO()
        builder = c2pa.Builder(
            {
                "title": "picture.png",
                "format": "image/png",
                "claim_generator_info": [{"name": "tests", "version": "1"}],
                "assertions": [*assertions, *([ROOM] if person else [])],
            },
            c2pa.Context.from_dict(
                {
                    "trust": {"trust_config": KEY_USAGES},  # or the SDK faults each ingredient
                    "core": {"allowed_network_hosts": []},
                    "verify": {"verify_after_sign": False, "ocsp_fetch": False},
                    "builder": {"thumbnail": {"enabled": False}},
                }
            ),
        )
        if remote is not None:
            builder.set_remote_url(remote)
        if not embed:
            builder.set_no_embed()
        for title, content in ingredients:
            described = json.dumps({"title": title, "relationship": "componentOf"})
            builder.add_ingredient(described, "image/png", io.BytesIO(content))
        builder.sign(signer, "image/png", io.BytesIO(data or picture()), target)
        png = target.getvalue()
        if person is not None:
            png = vouched(png, statements[-1], sign, person)
        return png if shown is None else mended(png.replace(der(leaf), der(shown)))

    def file(self, name="picture.png", **options):
        path = self.folder / name
        path.write_bytes(self.signed(**options))
        return path

    def with_answer(self, png, status):
        """A signed picture with a stapled OCSP answer in the padding of its signature."""
        answer = self._answer(status)
        start = png.rindex(b"\x63pad\x59")
        (room,) = struct.unpack_from(">H", png, start + 5)
        long = b"\x59" + struct.pack(">H", len(answer))
        stapled = b"\x65rVals\xa1\x68ocspVals\x81" + long + answer
        left = room - len(stapled)
        return mended(
            png[: start - 1]
            + bytes([png[start - 1] + 1])  # one more entry in the map of headers
            + stapled
            + b"\x63pad\x59"
            + struct.pack(">H", left)
            + bytes(left)
            + png[start + 7 + room :]
        )

    def _answer(self, status):
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.OCSP_SIGNING
        responder = issue("responder", key, (self.root, self.root_key), usage=usage)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        return (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=self.good,
                issuer=self.root,
                algorithm=hashes.SHA256(),
                cert_status=status,
                this_update=NOW - timedelta(hours=1),
                next_update=NOW + DAY,
                revocation_time=NOW - timedelta(hours=2) if revoked else None,
                revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.NAME, responder)
            .certificates([responder, self.root])
            .sign(key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )


class StampAuthority:
    """openssl's time-stamp authority behind a server on the loopback."""

    def __init__(self, folder):
        self.delay = 0.0
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = issue("stamp root", root_key, authority=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        leaf = issue(
            "Acme stamps",
            key,
            (root, root_key),
            usage=ExtendedKeyUsageOID.TIME_STAMPING,
            critical=True,
        )
        self.trust = folder / "stamps.pem"
        self.trust.write_bytes(pem(root))
        (folder / "leaf.pem").write_bytes(pem(leaf))
        (folder / "serial").write_text("01\n")
        (folder / "leaf.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        settings = {
            "serial": folder / "serial",
            "crypto_device": "builtin",
            "signer_cert": folder / "leaf.pem",
            "certs": self.trust,
            "signer_key": folder / "leaf.key",
            "signer_digest": "sha256",
            "default_policy": "1.2.3.4.1",
            "digests": "sha256,sha384,sha512",
            "ess_cert_id_alg": "sha256",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        (folder / "ts.cnf").write_text("\n".join(["[tsa]", "default_tsa = own", "[own]", *lines]))
        self._folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reply(self, query):
        time.sleep(self.delay)
        (self._folder / "query").write_bytes(query)
        return subprocess.run(
            [
                *("openssl", "ts", "-reply"),
                *("-config", self._folder / "ts.cnf", "-queryfile", self._folder / "query"),
            ],
            check=True,
            capture_output=True,
        ).stdout

    def _handler(authority):  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answer = authority.reply(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "application/timestamp-reply")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(answer)

            def log_message(self, *_):
                pass

        return Handler


ROOM = {  # what somebody says of himself is written in its place when the picture is bound
    "label": "cawg.identity",
    "data": {"signer_payload": {}, "signature": [], "pad1": [0] * 4096},
}


def vouched(png, statement, sign, person):
    """A picture in which `person` stands for what binds it; the signature is made again."""
    binding = re.search(rb"c2pa\.hash\.data.{0,8}hash\x58\x20(.{32})", statement, re.DOTALL)[1]
    label = png.index(b"cawg.identity\0")
    start = png.rindex(b"jumb", 0, label) - 4
    end = start + int.from_bytes(png[start : start + 4], "big")
    said = png.index(b"cbor", label) + 4  # the content of the box behind its description
    box = png[start:said] + filled(person(binding), end - said)
    before, after = (hashlib.sha256(each[8:]).digest() for each in (png[start:end], box))
    (signature,) = re.findall(rb"\x58\x40(.{64})", png, re.DOTALL)[-1:]
    changed = png[:start] + box + png[end:]
    again = sign(statement.replace(before, after))
    return mended(changed.replace(before, after).replace(signature, again))


def filled(said, size):
    """A statement of a person, with as much padding as there is room."""
    short = cbor2.dumps(said | {"pad1": bytes(256)})
    return cbor2.dumps(said | {"pad1": bytes(256 + size - len(short))})


class Persons:
    """Those who stand for a picture, in CAWG's identity assertion 1.1, as `signed(person=...)`."""

    AWAY = "nobody.example"

    @staticmethod
    def payload(kind, binding):
        """What is signed: which statements of the manifest somebody stands for."""
        bound = {"url": "self#jumbf=c2pa.assertions/c2pa.hash.data", "hash": binding}
        return {"referenced_assertions": [bound], "sig_type": kind}

    def in_the_word_of(self, issuer, key=None, /, **changes):
        """Somebody for whom an aggregator vouches: a credential (section 8.1).

        `issuer` is a decentralised identifier; `changes` are made to the credential.
        """
        key = key or ed25519.Ed25519PrivateKey.generate()

        def person(binding):
            payload = self.payload("cawg.identity_claims_aggregation", binding)
            credential = json.dumps(self._credential(issuer, payload) | changes).encode()
            protected = cbor2.dumps({1: -8, 3: "application/vc"})
            signature = key.sign(cbor2.dumps(["Signature1", protected, b"", credential]))
            signed = b"\xd2" + cbor2.dumps([protected, {}, credential, signature])
            return {"signer_payload": payload, "signature": signed}

        return person

    def with_certificate(self, chain, key, *, said_of=None):
        """Somebody who signs with a certificate of his own (section 8.2)."""

        def person(binding):
            payload = self.payload("cawg.x509.cose", said_of or binding)
            protected = cbor2.dumps({1: -7, 33: [der(each) for each in chain]})
            statement = cbor2.dumps(["Signature1", protected, b"", cbor2.dumps(payload)])
            r, s = decode_dss_signature(key.sign(statement, ec.ECDSA(hashes.SHA256())))
            raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            return {
                "signer_payload": payload,
                "signature": b"\xd2" + cbor2.dumps([protected, {}, None, raw]),
            }

        return person

    def by_key(self, key):
        """The identifier that is a key itself, so that nobody needs to be asked."""
        raw = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        jwk = json.dumps({"kty": "OKP", "crv": "Ed25519", "x": x}).encode()
        return f"did:jwk:{base64.urlsafe_b64encode(jwk).rstrip(b'=').decode()}"

    def _credential(self, issuer, payload):
        (bound,) = payload["referenced_assertions"]
        shown = bound | {"hash": base64.b64encode(bound["hash"]).decode()}
        verified = {
            "type": "cawg.social_media",
            "name": "somebody",
            "username": "somebody",
            "uri": f"https://{self.AWAY}/somebody",
            "verifiedAt": "2025-01-01T00:00:00Z",
            "provider": {"id": f"https://{self.AWAY}", "name": "a provider"},
        }
        return {
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                "https://cawg.io/identity/1.1/ica/context/",
            ],
            "type": ["VerifiableCredential", "IdentityClaimsAggregationCredential"],
            "issuer": issuer,
            "validFrom": "2025-01-01T00:00:00Z",
            "credentialSubject": {
                "verifiedIdentities": [verified],
                "c2paAsset": payload | {"referenced_assertions": [shown]},
            },
            "credentialSchema": {"id": f"https://{self.AWAY}/schema.json", "type": "JsonSchema"},
            "credentialStatus": {"id": f"https://{self.AWAY}/status", "type": "Bitstring"},
        }


def picture(size=64):
    file = io.BytesIO()
    Image.new("RGB", (size, size), (10, 200, 30)).save(file, "PNG")
    return file.getvalue()


def mended(png):
    """A PNG whose chunks were changed in place, with their checksums made right."""
    whole, start = [png[:8]], 8
    while start < len(png):
        (length,) = struct.unpack_from(">I", png, start)
        body = png[start + 4 : start + 8 + length]
        whole += [png[start : start + 4], body, struct.pack(">I", zlib.crc32(body))]
        start += 12 + length
    return b"".join(whole)


@pytest.fixture(scope="session")
def forge(tmp_path_factory):
    return Forge(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="session")
def persons():
    return Persons()


@pytest.fixture(scope="session")
def stamps(tmp_path_factory):
    """A time-stamp authority; tests that let it wait must say so again afterwards."""
    authority = StampAuthority(tmp_path_factory.mktemp("stamps"))
    yield authority
    authority.server.shutdown()
    authority.server.server_close()


@pytest.fixture(scope="session")
def mend():
    return mended
