import shutil
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.keys.pem import key_pem


@pytest.fixture
def keys(tmp_path):
    pki.init(tmp_path / "keys")
    return tmp_path / "keys"


def certificate(keys, name):
    return x509.load_pem_x509_certificate((keys / name).read_bytes())


def test_the_chain_follows_the_profile(keys):
    root, issuer, leaf = (certificate(keys, name) for name in (pki.ROOT, pki.ISSUER, pki.LEAF))
    issuer.verify_directly_issued_by(root)
    leaf.verify_directly_issued_by(issuer)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {pki.CLAIM_SIGNING, pki.DOCUMENT_SIGNING}
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    policies = leaf.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policies[0].policy_identifier == pki.C2PA_POLICY


def test_keys_are_for_their_owner_only(keys):
    for name in (pki.ROOT_KEY, pki.ISSUER_KEY, pki.LEAF_KEY):
        assert (keys / name).stat().st_mode & 0o777 == 0o600


def test_a_chain_is_never_overwritten(keys):
    before = (keys / pki.ROOT).read_bytes()
    with pytest.raises(KeyMaterialError, match="never overwritten"):
        pki.init(keys)
    assert (keys / pki.ROOT).read_bytes() == before


def test_the_signer_shows_leaf_and_issuer_but_never_root_or_key(keys):
    signer = open_signer(keys)
    chain = x509.load_pem_x509_certificates(signer.chain)
    assert chain == [certificate(keys, pki.LEAF), certificate(keys, pki.ISSUER)]
    assert signer.anchor == (keys / pki.ROOT).read_bytes()
    assert "PRIVATE" not in repr(signer)
    assert "_key" not in repr(signer)


@pytest.mark.parametrize("missing", [pki.LEAF_KEY, pki.LEAF, pki.ISSUER])
def test_a_missing_key_names_the_command_that_makes_one(keys, missing):
    (keys / missing).unlink()
    with pytest.raises(KeyMaterialError, match=rf"no {missing} in .*safegen keys init"):
        open_signer(keys)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(KeyMaterialError, match="no signer here opens vault"):
        open_signer("vault:secret")


def at(monkeypatch, shift):
    """As if certificates were issued at another time."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + shift

    monkeypatch.setattr(pki, "datetime", Clock)


def reissue(keys, monkeypatch, shift):
    """Issue the leaf again, as if at another time."""
    at(monkeypatch, shift)
    issuer_key = serialization.load_pem_private_key((keys / pki.ISSUER_KEY).read_bytes(), None)
    issuer = certificate(keys, pki.ISSUER), issuer_key
    leaf, key = pki._issue(pki.LEAF, "test", curve=ec.SECP256R1(), path_length=None, issuer=issuer)
    (keys / pki.LEAF).write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (keys / pki.LEAF_KEY).write_bytes(key_pem(key))


def test_an_expired_certificate_says_when(keys, monkeypatch):
    reissue(keys, monkeypatch, shift=timedelta(days=-400))
    day = (datetime.now(UTC) - timedelta(days=35)).date()
    with pytest.raises(KeyMaterialError, match=f"expired on {day}"):
        open_signer(keys)


def test_a_certificate_of_the_future_points_to_the_clock(keys, monkeypatch):
    reissue(keys, monkeypatch, shift=timedelta(days=3))
    with pytest.raises(KeyMaterialError, match="clock"):
        open_signer(keys)


def test_a_key_of_another_chain_is_refused(keys, tmp_path):
    pki.init(tmp_path / "other")
    shutil.copy(tmp_path / "other" / pki.LEAF_KEY, keys / pki.LEAF_KEY)
    with pytest.raises(KeyMaterialError, match="is not the key of"):
        open_signer(keys)


def test_a_leaf_of_another_issuer_is_refused(keys, tmp_path):
    pki.init(tmp_path / "other")
    shutil.copy(tmp_path / "other" / pki.ISSUER, keys / pki.ISSUER)
    with pytest.raises(KeyMaterialError, match="was not issued by"):
        open_signer(keys)


def test_a_root_of_another_chain_is_refused_before_anything_is_spent(keys, tmp_path):
    """Otherwise a whole run would end in a package that its own maker does not trust."""
    pki.init(tmp_path / "other")
    shutil.copy(tmp_path / "other" / pki.ROOT, keys / pki.ROOT)
    with pytest.raises(KeyMaterialError, match="was not issued by a trusted root"):
        open_signer(keys)


def test_a_sec1_key_works_too(keys):
    key = serialization.load_pem_private_key((keys / pki.LEAF_KEY).read_bytes(), None)
    (keys / pki.LEAF_KEY).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    key.public_key().verify(open_signer(keys).sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))


def test_a_key_of_another_kind_is_refused(keys):
    other = rsa.generate_private_key(65537, 2048)
    (keys / pki.LEAF_KEY).write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(KeyMaterialError, match="is not the key of the first certificate"):
        open_signer(keys)


def test_garbage_in_place_of_a_key_or_certificate_is_named(keys):
    (keys / pki.LEAF_KEY).write_text("garbage")
    with pytest.raises(KeyMaterialError, match=r"leaf\.key is not a private key"):
        open_signer(keys)
    pki_leaf = keys / pki.LEAF
    pki_leaf.write_text("garbage")
    with pytest.raises(KeyMaterialError):
        open_signer(keys)
