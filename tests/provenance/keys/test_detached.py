"""A detached signature says who signed and what, in each algorithm, or it says nothing."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from safegen.provenance.keys import algorithms
from safegen.provenance.keys.detached import sign, signature_error

ALGORITHMS = ["es256", "es384", "ed25519", "ps256"]
DATA = b"a record's canonical bytes"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Held:
    """A signer with any chain."""

    issued: object
    chain: bytes
    algorithm: str
    anchor: None = None
    key_pem: None = None

    def sign(self, data):
        return algorithms.sign(self.algorithm, self.issued.key, data)


@pytest.fixture
def signed(certified, issuing):
    def make(algorithm, leaf=None, *others, data=DATA):
        leaf = leaf or certified[algorithm]
        chain = leaf.pem + b"".join(one.pem for one in others or (issuing,))
        return sign(data, Held(leaf, chain, algorithm))

    return make


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_signs_and_verifies(algorithm, signed, root):
    signature = signed(algorithm)
    assert signature.algorithm == algorithm
    assert signature_error(signature, DATA, root.pem, NOW) is None
    assert "does not match" in signature_error(signature, DATA + b"!", root.pem, NOW)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_changed_bit_of_a_signature_is_found(algorithm, signed, root):
    signature = signed(algorithm)
    value = bytearray(base64.b64decode(signature.value))
    for place in (0, len(value) // 2, len(value) - 1):
        changed = bytes(value[:place]) + bytes([value[place] ^ 1]) + bytes(value[place + 1 :])
        encoded = base64.b64encode(changed).decode()
        broken = signature.model_copy(update={"value": encoded})
        assert "does not match" in signature_error(broken, DATA, root.pem, NOW)


@pytest.mark.parametrize("claimed", ALGORITHMS)
@pytest.mark.parametrize("made", ALGORITHMS)
def test_an_algorithm_fits_its_key_and_no_other(made, claimed, signed, root):
    relabelled = signed(made).model_copy(update={"algorithm": claimed})
    problem = signature_error(relabelled, DATA, root.pem, NOW)
    assert problem is None if made == claimed else "of another kind" in problem


def test_other_paddings_and_hashes_of_the_same_key_are_refused(certified, signed, root):
    wide = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    made = {
        "ps256": [
            certified["ps256"].key.sign(DATA, padding.PKCS1v15(), hashes.SHA256()),
            certified["ps256"].key.sign(DATA, wide, hashes.SHA256()),
        ],
        "es256": [certified["es256"].key.sign(DATA, ec.ECDSA(hashes.SHA384()))],
        "es384": [certified["es384"].key.sign(DATA, ec.ECDSA(hashes.SHA256()))],
    }
    for algorithm, values in made.items():
        for value in values:
            other = {"value": base64.b64encode(value).decode()}
            changed = signed(algorithm).model_copy(update=other)
            assert "does not match" in signature_error(changed, DATA, root.pem, NOW)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": -0.5}, "not valid when it was signed"),
        ({"start": 1}, "not valid when it was signed"),
        ({"usages": ()}, "may not sign claims"),
        ({"key_usage": ("key_encipherment",)}, "may not sign claims"),
        ({"hashed": hashes.SHA224()}, "may not sign claims"),
    ],
)
def test_leaves_that_may_not_sign(wrong, words, forge, issuing, signed, root):
    leaf = forge("leaf", issuer=issuing, **wrong)
    assert words in signature_error(signed("es256", leaf), DATA, root.pem, NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"constraints": False},
        {"key_usage": ("digital_signature",)},
        {"start": -9, "days": -1},
    ],
)
def test_issuers_that_may_not_issue(wrong, forge, signed, root):
    issuer = forge("issuer", ca=True, issuer=root, **wrong)
    leaf = forge("leaf", issuer=issuer)
    assert signature_error(signed("es256", leaf, issuer), DATA, root.pem, NOW) is not None


def test_a_chain_that_is_longer_than_its_root_allows(forge, signed, root):
    upper = forge("upper", ca=True, issuer=root, length=1)
    lower = forge("lower", ca=True, issuer=upper)
    problem = signature_error(
        signed("es256", forge("leaf", issuer=lower), lower, upper), DATA, root.pem, NOW
    )
    assert "does not lead to a trusted root" in problem


def test_a_strangers_root_under_a_known_name(forge, signed):
    stranger = forge("root", ca=True, length=1)
    assert "trusted root" in signature_error(signed("es256"), DATA, stranger.pem, NOW)


def test_validity_is_asked_for_the_time_of_signing(forge, issuing, signed, root):
    leaf = forge("leaf", issuer=issuing, start=-0.9, days=-0.5)
    then = NOW - timedelta(days=0.7)
    signature = signed("es256", leaf)
    assert signature_error(signature, DATA, root.pem, then) is None
    assert "not valid when" in signature_error(signature, DATA, root.pem, NOW)


@pytest.mark.parametrize(
    "broken",
    [{"chain": "nothing"}, {"chain": ""}, {"value": "no base64!"}, {"value": ""}],
)
def test_what_cannot_be_read(broken, signed, root):
    signature = signed("es256").model_copy(update=broken)
    assert signature_error(signature, DATA, root.pem, NOW) is not None


def test_no_roots_at_all(signed):
    assert signature_error(signed("es256"), DATA, b"", NOW) == "its signature cannot be read"
