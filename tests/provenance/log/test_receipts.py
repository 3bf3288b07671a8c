"""A receipt is worth what its signers' chains are worth, and the log that it leads to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.provenance.keys import pki
from safegen.provenance.log.checkpoints import sign_checkpoint
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.receipts import (
    log_error,
    logged_error,
    receipt_error,
    sign_receipt,
)
from safegen.schemas.canonical import sha256
from safegen.schemas.receipt import FirstReceipt, Receipt, read_receipt


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


def forger(leaf, *issuers):
    return Forger(leaf[1], (leaf[0], *(issuer[0] for issuer in issuers)))


def headed(receipt, signer):
    """The same receipt under a head that somebody else signed."""
    head = receipt.checkpoint
    signed = sign_checkpoint(head.origin, head.tree_size, bytes.fromhex(head.root), signer)
    return receipt.model_copy(update={"checkpoint": signed})


def verdict(receipt, root, leaf, *issuers):
    """What is said of a receipt that this leaf signed, under a head that stands."""
    authority = issue(pki.ISSUER, 0, root)
    receipt = headed(receipt, forger(issue(pki.LEAF, None, authority), authority))
    return receipt_error(sign_receipt(receipt, forger(leaf, *issuers)), anchors(root))


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
        assert receipt_error(broken, made.root.read_bytes()) is not None


def test_the_head_that_a_receipt_leads_to_must_stand_too(receipt, root):
    authority, other = (issue(pki.ISSUER, 0, above) for above in (root, issue(pki.ROOT, 1)))
    good, bad = (forger(issue(pki.LEAF, None, each), each) for each in (authority, other))
    stands = headed(receipt, good)
    assert receipt_error(sign_receipt(stands, good), anchors(root)) is None
    said = receipt_error(sign_receipt(headed(receipt, bad), good), anchors(root))
    assert said.startswith(
        "its checkpoint does not stand: its signer does not lead to a trusted root"
    )
    for update in ({"root": "00" * 32}, {"tree_size": 10**6}):
        head = stands.checkpoint.model_copy(update=update)
        said = receipt_error(stands.model_copy(update={"checkpoint": head}), anchors(root))
        assert said == "its proof leads to another head than that of its checkpoint"
    unsigned = stands.checkpoint.model_copy(update={"signature": None})
    said = receipt_error(stands.model_copy(update={"checkpoint": unsigned}), anchors(root))
    assert said == "its checkpoint does not stand: it is not signed"


def first_version(receipt, signer):
    fields = receipt.model_dump(exclude={"checkpoint", "format", "signature"})
    return sign_receipt(FirstReceipt(**fields), signer)


def test_a_receipt_of_the_first_version_still_stands(made, receipt):
    from safegen.provenance.keys.opener import open_signer

    first = first_version(receipt, open_signer(made.keys))
    again = read_receipt(first.model_dump_json().encode())
    assert again == first
    assert receipt_error(again, made.root.read_bytes()) is None
    changed = again.model_copy(update={"model": "sha256:00"})
    assert "does not match" in receipt_error(changed, made.root.read_bytes())
    with pytest.raises(ValueError, match="checkpoint"):
        read_receipt(first.model_dump_json().replace("receipt/1", "receipt/2").encode())


def test_a_receipt_and_a_head_fetched_elsewhere_are_of_one_log(made, receipt):
    ledger = Ledger(made.ledger, to_read=True)
    own, last = receipt.checkpoint, ledger.last_checkpoint()
    first = FirstReceipt(**receipt.model_dump(exclude={"checkpoint", "format"}))
    proof = ledger.prove_consistency(own)
    for each in (receipt, first):
        assert log_error(each, own, None) is None
        assert log_error(each, last, proof) is None
        forked = own.model_copy(update={"root": "00" * 32})
        assert "two logs under one name" in log_error(each, forked, None)
    assert "two logs" in log_error(receipt, own.model_copy(update={"origin": "x"}), None)


def test_heads_of_two_lengths_need_a_proof_between_them(made, receipt, keys, keeper, tmp_path):
    from safegen.provenance.log.export import prove_file

    ledger = Ledger(tmp_path / "ledger.db")
    entries = [receipt.entry.model_copy(update={"file_digest": f"sha256:{n}"}) for n in range(9)]
    early = ledger.append(entries[:4], signer=keeper).checkpoint
    late = ledger.append(entries[4:], signer=keeper).checkpoint
    file = tmp_path / "file"
    file.write_bytes(b"a file")
    last = receipt.entry.model_copy(update={"file_digest": sha256(b"a file")})
    ledger.append([last], signer=keeper)
    logged = prove_file(ledger, file, None)
    assert logged_error(logged, keeper.anchor) is None
    assert "no consistency proof was given" in log_error(logged, early, None)
    proof = ledger.prove_consistency(early)
    assert log_error(logged, early, proof) is None
    assert "is of 4 and 10 entries" in log_error(logged, late, proof)
    broken = proof.model_copy(update={"path": (*proof.path[1:], "00" * 32)})
    assert "does not lead from the one root" in log_error(logged, early, broken)
    moved = logged.model_copy(update={"entry": entries[0]})
    assert "does not lead from its entry" in logged_error(moved, keeper.anchor)


def test_receipts_are_read_from_their_files(made):
    for path in Path(made.outputs).glob("*.receipt.json"):
        receipt = read_receipt(path.read_bytes())
        assert isinstance(receipt, Receipt)
        assert receipt.proof.tree_size == receipt.checkpoint.tree_size
        assert receipt_error(receipt, made.root.read_bytes()) is None
