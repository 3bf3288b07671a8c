"""A receipt's signature is worth what its chain is worth."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.provenance import pki
from safegen.provenance.receipts import problem_with, sign_receipt
from safegen.records.receipt import Receipt


@dataclass(frozen=True)
class Forger:
    """Signs with any key under any chain."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple
    algorithm: str = "es256"
    anchor: None = None

    @property
    def chain(self):
        pem = serialization.Encoding.PEM
        return b"".join(certificate.public_bytes(pem) for certificate in self.certificates)

    def sign(self, data):
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


@pytest.fixture(scope="module")
def receipt(made):
    whole = Receipt.model_validate_json((made.outputs / "0001.receipt.json").read_bytes())
    return whole.model_copy(update={"signature": None})


def issue(name, path_length, issuer=None, curve=ec.SECP256R1):
    return pki._issue(name, "test", curve=curve(), path_length=path_length, issuer=issuer)


@pytest.fixture(scope="module")
def root():
    return issue(pki.ROOT, 1)


def anchors(root):
    return root[0].public_bytes(serialization.Encoding.PEM)


def verdict(receipt, root, leaf, *issuers):
    chain = (leaf[0], *(issuer[0] for issuer in issuers))
    return problem_with(sign_receipt(receipt, Forger(leaf[1], chain)), anchors(root))


def test_a_good_chain_stands(receipt, root):
    authority = issue(pki.ISSUER, 0, root)
    assert verdict(receipt, root, issue(pki.LEAF, None, authority), authority) is None


def test_a_leaf_that_plays_authority_does_not(receipt, root):
    """Whoever holds any leaf could otherwise issue signers of his own."""
    authority = issue(pki.ISSUER, 0, root)
    leaf = issue(pki.LEAF, None, authority)
    forged = issue(pki.LEAF, None, leaf)
    assert "trusted root" in verdict(receipt, root, forged, leaf, authority)


def test_an_authority_may_not_sign_receipts_itself(receipt, root):
    authority = issue(pki.ISSUER, 0, root)
    assert "may not sign claims" in verdict(receipt, root, authority)


def test_a_signer_who_was_not_valid_then(receipt, root, monkeypatch):
    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=500)

    authority = issue(pki.ISSUER, 0, root)
    monkeypatch.setattr(pki, "datetime", Earlier)
    leaf = issue(pki.LEAF, None, authority)
    assert "not valid when it was signed" in verdict(receipt, root, leaf, authority)


def test_an_entry_of_another_file(receipt, root):
    authority = issue(pki.ISSUER, 0, root)
    leaf = issue(pki.LEAF, None, authority)
    other = receipt.model_copy(update={"file_digest": "sha256:" + "0" * 64})
    assert "another file" in verdict(other, root, leaf, authority)


def test_a_chain_that_is_none(made, receipt):
    whole = Receipt.model_validate_json((made.outputs / "0001.receipt.json").read_bytes())
    for update in ({"chain": "nothing"}, {"value": "no base64!"}, {"value": ""}):
        signature = whole.signature.model_copy(update=update)
        broken = whole.model_copy(update={"signature": signature})
        assert problem_with(broken, made.root.read_bytes()) is not None
