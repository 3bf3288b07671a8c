"""Keys in Azure Key Vault: its own client, over TLS, against a server that answers like it."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.opener import open_signer

pytest.importorskip("azure.keyvault.keys", reason="no Azure keys; pip install 'safegen[azure]'")
VAULT = "https://release.vault.azure.net"
VERSION = "0123456789abcdef0123456789abcdef"
KEY = f"{VAULT}/keys/signer/{VERSION}"
LOGIN = "https://login.microsoftonline.com"
CURVES = {"es256": ("P-256", 32, hashes.SHA256()), "es384": ("P-384", 48, hashes.SHA384())}


def encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, width=0):
    return encoded(value.to_bytes(width or (value.bit_length() + 7) // 8, "big"))


@pytest.fixture(autouse=True)
def account(monkeypatch):
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "quite secret")
    monkeypatch.setattr("time.sleep", lambda _: None)  # between attempts


class Service:
    """Serves one key; `refuse` maps a call to a status, a kind and a message."""

    def __init__(self, certified):
        self.certified = certified
        self.algorithm = "es256"
        self.refuse = {}

    def login(self, body, _):
        assert b"quite+secret" in body
        if "login" in self.refuse:
            _, kind, message = self.refuse["login"]
            return 401, {"error": kind, "error_description": message}, {}
        return 200, {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}, {}

    def _unknown(self, headers):
        """Whoever does not show a token is told where to get one."""
        if headers.get("authorization") == "Bearer token":
            return None
        where = f'authorization="{LOGIN}/tenant", resource="https://vault.azure.net"'
        return 401, {}, {"www-authenticate": f"Bearer {where}"}

    def show(self, _, headers):
        return self._unknown(headers) or self._no("show") or (200, {"key": self._key()}, {})

    def _key(self):
        shown = self.certified[self.algorithm].key.public_key().public_numbers()
        common = {"kid": KEY, "key_ops": ["sign", "verify"]}
        if self.algorithm == "ps256":
            return common | {"kty": "RSA", "n": number(shown.n), "e": number(shown.e)}
        curve, width, _ = CURVES[self.algorithm]
        x, y = number(shown.x, width), number(shown.y, width)
        return common | {"kty": "EC-HSM", "crv": curve, "x": x, "y": y}

    def sign(self, body, headers):
        refused = self._unknown(headers) or self._no("sign")
        if refused:
            return refused
        sent = json.loads(body)
        assert sent["alg"] == self.algorithm.upper()
        digest, key = decoded(sent["value"]), self.certified[self.algorithm].key
        if self.algorithm == "ps256":
            hashed = utils.Prehashed(hashes.SHA256())
            made = key.sign(digest, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashed)
        else:
            _, width, hashed = CURVES[self.algorithm]
            der = key.sign(digest, ec.ECDSA(utils.Prehashed(hashed)))
            halves = utils.decode_dss_signature(der)
            made = b"".join(half.to_bytes(width, "big") for half in halves)
        return 200, {"kid": KEY, "value": encoded(made)}, {}

    def _no(self, call):
        if call not in self.refuse:
            return None
        status, kind, message = self.refuse[call]
        return status, {"error": {"code": kind, "message": message}}, {"retry-after": "0"}


@pytest.fixture
def service(internet, certified):
    service = Service(certified)
    metadata = {
        "authorization_endpoint": f"{LOGIN}/tenant/oauth2/v2.0/authorize",
        "token_endpoint": f"{LOGIN}/tenant/oauth2/v2.0/token",
        "issuer": f"{LOGIN}/tenant/v2.0",
        "tenant_discovery_endpoint": f"{LOGIN}/tenant/v2.0/.well-known/openid-configuration",
        "metadata": [],
    }
    for path in ("tenant/v2.0/.well-known/openid-configuration", "common/discovery/instance"):
        internet.answer("GET", f"{LOGIN}/{path}", lambda *_: (200, metadata, {}))
    internet.answer("POST", f"{LOGIN}/tenant/oauth2/v2.0/token", service.login)
    for name in (KEY, f"{VAULT}/keys/signer/"):
        internet.answer("GET", name, service.show)
    internet.answer("POST", f"{KEY}/sign", service.sign)
    return service


@pytest.mark.parametrize("algorithm", ["es256", "es384", "ps256"])
def test_each_algorithm_makes_trusted_pictures(
    algorithm, service, certified, place, makes_trusted_pictures
):
    service.algorithm = algorithm
    makes_trusted_pictures(f"azure-kv:{KEY}?{place(certified[algorithm])}", algorithm)


def test_a_key_without_a_version_is_the_newest(service, certified, place):
    uri = f"azure-kv:{VAULT}/keys/signer?{place(certified['es256'])}"
    assert open_signer(uri).sign(b"data")


def test_only_a_digest_is_sent(service, internet, certified, place):
    open_signer(f"azure-kv:{KEY}?{place(certified['es256'])}")
    (*_, (method, url, body)) = internet.asked
    assert method == "POST"
    assert url.startswith(f"{KEY}/sign")
    assert len(decoded(json.loads(body)["value"])) == 32


def test_a_certificate_of_another_key(service, certified, place):
    for other, words in (("es384", "P-384"), ("ps256", "RSA-2048"), ("ed25519", "Ed25519")):
        with pytest.raises(KeyMaterialError, match=rf"is not the key .* over {words} .* P-256"):
            open_signer(f"azure-kv:{KEY}?{place(certified[other])}")


@pytest.mark.parametrize(
    ("call", "status", "kind", "message"),
    [
        ("show", 403, "Forbidden", "the user does not have keys get permission"),
        ("sign", 403, "Forbidden", "Operation sign is not allowed on a disabled key"),
        ("show", 404, "KeyNotFound", "A key with signer was not found in this key vault"),
        ("sign", 429, "Throttled", "the vault is throttled"),
        ("sign", 500, "InternalError", "something broke"),
        ("login", 401, "invalid_client", "AADSTS7000215: Invalid client secret provided"),
    ],
)
def test_refusals_reach_the_user(
    call, status, kind, message, service, certified, place, cannot_be_used
):
    service.refuse = {call: (status, kind, message)}
    said = cannot_be_used(f"azure-kv:{KEY}?{place(certified['es256'])}", f"{KEY} .*{message}")
    assert "quite secret" not in said
    assert "\n" not in said


def test_no_network(internet, certified, place):
    with pytest.raises(KeyMaterialError, match=r"cannot be used: .*(resolve|azure)"):
        open_signer(f"azure-kv:{KEY}?{place(certified['es256'])}")


def test_no_account(internet, service, certified, place, monkeypatch, tmp_path):
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KeyMaterialError, match="failed to retrieve a token"):
        open_signer(f"azure-kv:{KEY}?{place(certified['es256'])}")


@pytest.mark.parametrize(
    "place_in",
    ["", "signer", "http://release.vault.azure.net/keys/signer", f"{VAULT}/secrets/signer"],
)
def test_uris_that_name_no_key(place_in):
    with pytest.raises(KeyMaterialError, match="names no key; write azure-kv:https://VAULT"):
        open_signer(f"azure-kv:{place_in}?chain=x")


def test_a_key_of_a_kind_that_signs_no_claims(service, certified, place, monkeypatch):
    monkeypatch.setattr(type(service), "_key", lambda _: {"kid": KEY, "kty": "oct"})
    with pytest.raises(KeyMaterialError, match="makes no signature that C2PA takes"):
        open_signer(f"azure-kv:{KEY}?{place(certified['es256'])}")
