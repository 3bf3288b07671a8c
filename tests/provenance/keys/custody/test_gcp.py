"""Keys in Google Cloud KMS: its own client, over TLS, against a server that answers like it."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.opener import open_signer

pytest.importorskip("google.cloud.kms_v1", reason="no Google KMS; pip install 'safegen[gcp]'")
NAME = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
URL = f"https://cloudkms.googleapis.com/v1/{NAME}"
KINDS = {
    "es256": "EC_SIGN_P256_SHA256",
    "es384": "EC_SIGN_P384_SHA384",
    "ps256": "RSA_SIGN_PSS_2048_SHA256",
    "ed25519": "EC_SIGN_ED25519",
}


@pytest.fixture(autouse=True)
def account(monkeypatch, tmp_path, rsa_key):
    pem = rsa_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = tmp_path / "account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": "release@p.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setattr("time.sleep", lambda _: None)  # between attempts


class Service:
    """Serves one key; `refuse` maps a call to a status, a kind and a message."""

    def __init__(self, certified):
        self.certified = certified
        self.algorithm = "es256"
        self.refuse = {}

    def public_key(self, _, headers):
        assert headers["authorization"].startswith("Bearer ")
        if "show" in self.refuse:
            return self._no("show")
        pem = (
            self.certified[self.algorithm]
            .key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return 200, {"name": NAME, "pem": pem.decode(), "algorithm": KINDS[self.algorithm]}, {}

    def sign(self, body, _):
        if "sign" in self.refuse:
            return self._no("sign")
        sent = json.loads(body)
        ((name, digest),) = sent["digest"].items()
        hashed = utils.Prehashed({"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}[name])
        key, digest = self.certified[self.algorithm].key, base64.b64decode(digest)
        if self.algorithm == "ps256":
            made = key.sign(digest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashed)
        else:
            made = key.sign(digest, ec.ECDSA(hashed))
        return 200, {"name": NAME, "signature": base64.b64encode(made).decode()}, {}

    def _no(self, call):
        status, kind, message = self.refuse[call]
        return status, {"error": {"code": status, "status": kind, "message": message}}, {}


@pytest.fixture
def service(internet, certified):
    service = Service(certified)
    internet.answer("GET", f"{URL}/publicKey", service.public_key)
    internet.answer("POST", f"{URL}:asymmetricSign", service.sign)
    token = {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}
    internet.answer("POST", "https://oauth2.googleapis.com/token", lambda *_: (200, token, {}))
    return service


@pytest.mark.parametrize("algorithm", ["es256", "es384", "ps256"])
def test_each_algorithm_makes_trusted_pictures(
    algorithm, service, certified, place, makes_trusted_pictures
):
    service.algorithm = algorithm
    makes_trusted_pictures(f"gcp-kms:{NAME}?{place(certified[algorithm])}", algorithm)


def test_only_a_digest_is_sent(service, internet, certified, place):
    open_signer(f"gcp-kms:{NAME}?{place(certified['es256'])}").sign(b"secret")
    sent = json.loads(internet.asked[-1][2])
    digest = base64.b64encode(hashlib.sha256(b"secret").digest()).decode()
    assert sent["digest"] == {"sha256": digest}
    assert "data" not in sent


def test_ed25519_would_send_the_whole_claim(service, certified, place):
    service.algorithm = "ed25519"
    with pytest.raises(KeyMaterialError, match="would have to be sent the whole claim"):
        open_signer(f"gcp-kms:{NAME}?{place(certified['ed25519'])}")


def test_a_certificate_of_another_key(service, certified, place):
    with pytest.raises(KeyMaterialError, match=r"is not the key of .* over P-384 .* another P-256"):
        open_signer(f"gcp-kms:{NAME}?{place(certified['es384'])}")


@pytest.mark.parametrize(
    ("call", "status", "kind", "message"),
    [
        ("sign", 403, "PERMISSION_DENIED", "Permission 'useToSign' denied on resource"),
        ("show", 403, "PERMISSION_DENIED", "Permission 'viewPublicKey' denied on resource"),
        ("sign", 400, "FAILED_PRECONDITION", "the key version is not enabled: DISABLED"),
        ("show", 404, "NOT_FOUND", "CryptoKeyVersion not found"),
        ("sign", 429, "RESOURCE_EXHAUSTED", "Quota exceeded"),
        ("sign", 500, "INTERNAL", "something broke"),
    ],
)
def test_refusals_reach_the_user(
    call, status, kind, message, service, certified, place, cannot_be_used
):
    service.refuse = {call: (status, kind, message)}
    uri = f"gcp-kms:{NAME}?{place(certified['es256'])}"
    cannot_be_used(uri, f"{NAME} .*{message}.*; it takes")


def test_no_network(internet, certified, place):
    with pytest.raises(KeyMaterialError, match=r"cannot be used: .*(googleapis|resolve)"):
        open_signer(f"gcp-kms:{NAME}?{place(certified['es256'])}")


def test_no_account(internet, certified, place, monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KeyMaterialError, match="default credentials were not found"):
        open_signer(f"gcp-kms:{NAME}?{place(certified['es256'])}")


def test_a_key_without_a_version(certified, place):
    name = NAME.rpartition("/cryptoKeyVersions")[0]
    with pytest.raises(KeyMaterialError, match="names no key version; write"):
        open_signer(f"gcp-kms:{name}?{place(certified['es256'])}")
