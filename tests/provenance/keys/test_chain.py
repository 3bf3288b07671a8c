"""What we say of a chain, and what two verifiers say of a picture that was signed with it."""

import subprocess
from datetime import UTC, datetime, timedelta

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import ObjectIdentifier

from safegen.provenance.keys import algorithms, pki
from safegen.provenance.keys.chain import check_chain, refusals

CLAIM = pki.CLAIM_SIGNING
UNKNOWN = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)
WORST = ("invalid", "untrusted", "note")


@pytest.fixture(scope="module")
def compared(seal, judge, root):
    """Codes of our findings, after both judges agreed with the worst of them."""

    def compare(leaf, *chain, anchors=(root,), given=None, stricter=False):
        chain = given or (leaf, *chain)
        certificates = [one.certificate for one in chain]
        roots = [one.certificate for one in anchors] if anchors else None
        findings = check_chain(certificates, roots)
        grades = {finding.grade for finding in findings}
        ours = next((grade for grade in WORST if grade in grades), "note")
        algorithm = algorithms.algorithm_of(leaf.key.public_key()) or "es256"
        try:
            sealed = seal(
                algorithm,
                b"".join(one.pem for one in chain),
                lambda data: algorithms.sign(algorithm, leaf.key, data),
            )
            theirs = judge(sealed, b"".join(one.pem for one in anchors))
        except c2pa.C2paError:
            theirs = "invalid"
        if stricter:  # both pass over what RFC 5280 has a verifier look at
            assert (ours, theirs) == ("untrusted", "trusted"), findings
        else:
            assert theirs == {"note": "trusted"}.get(ours, ours), findings
        assert all(
            finding.text.endswith(tuple('abcdefghijklmnopqrstuvwxyz)0123456789"'))
            for finding in findings
        )
        return [finding.code for finding in findings]

    return compare


@pytest.mark.parametrize("algorithm", ["es256", "es384", "ed25519", "ps256"])
def test_a_good_chain_has_no_findings(compared, certified, issuing, algorithm):
    assert compared(certified[algorithm], issuing) == []


@pytest.mark.parametrize(
    ("usages", "code"),
    [
        ((), "usage-missing"),
        ((Usage.ANY_EXTENDED_KEY_USAGE,), "usage-any"),
        ((CLAIM, Usage.ANY_EXTENDED_KEY_USAGE), "usage-any"),
        ((Usage.SERVER_AUTH,), "usage-wrong"),
        ((Usage.CODE_SIGNING, Usage.CLIENT_AUTH), "usage-wrong"),
        ((Usage.TIME_STAMPING,), "usage-mixed"),
        ((Usage.OCSP_SIGNING,), "usage-mixed"),
        ((CLAIM, Usage.TIME_STAMPING), "usage-mixed"),
        ((CLAIM, Usage.OCSP_SIGNING), "usage-mixed"),
        ((pki.DOCUMENT_SIGNING,), "usage-other"),
        ((Usage.EMAIL_PROTECTION,), "usage-other"),
        ((CLAIM, Usage.SERVER_AUTH), None),
        ((CLAIM,), None),
    ],
)
def test_extended_key_usages(compared, forge, issuing, usages, code):
    leaf = forge("leaf", issuer=issuing, usages=usages)
    assert compared(leaf, issuing) == ([code] if code else [])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"key_usage": None}, "key-usage-missing"),
        ({"key_usage": ("key_encipherment",)}, "key-usage-wrong"),
        ({"key_usage": ("content_commitment",)}, "key-usage-wrong"),
        ({"key_usage": ("digital_signature", "key_cert_sign")}, "key-usage-wrong"),
        ({"critical": False}, "key-usage-not-critical"),
        ({"authority_id": False}, "no-authority-key-id"),
        ({"subject_id": False}, "no-subject-key-id"),
        ({"constraints": False}, None),
        ({"start": -30, "days": -1}, "expired"),
        ({"start": 1}, "not-yet-valid"),
        ({"start": 10 / 1440}, "not-yet-valid"),
        ({"days": 12}, "expires-soon"),
        ({"hashed": hashes.SHA224()}, "weak-signature"),
        ({"hashed": hashes.SHA3_256()}, "weak-signature"),
        ({"hashed": hashes.SHA512()}, None),
        ({"extra": (UNKNOWN,)}, "unknown-critical"),
    ],
)
def test_leaves(compared, forge, issuing, wrong, code):
    leaf = forge("leaf", issuer=issuing, **wrong)
    assert compared(leaf, issuing) == ([code] if code else [])


def test_a_leaf_that_is_an_authority(compared, forge, issuing):
    claims = (x509.ExtendedKeyUsage([CLAIM]), False)
    leaf = forge("leaf", ca=True, issuer=issuing, key_usage=("digital_signature",), extra=(claims,))
    assert "authority" in compared(leaf, issuing)


@pytest.mark.parametrize("curve", [ec.SECP256K1, ec.SECP224R1])
def test_other_curves(compared, forge, issuing, curve):
    leaf = forge("leaf", issuer=issuing, key=ec.generate_private_key(curve()))
    assert compared(leaf, issuing) == ["unsupported-key"]


def test_a_short_rsa_key(compared, forge, issuing):
    leaf = forge("leaf", issuer=issuing, key=rsa.generate_private_key(65537, 1024))
    assert compared(leaf, issuing) == ["unsupported-key"]


def test_p_521_is_c2pas_and_not_ours(forge, issuing, root):
    leaf = forge("leaf", issuer=issuing, key=ec.generate_private_key(ec.SECP521R1()))
    (finding,) = check_chain([leaf.certificate, issuing.certificate], [root.certificate])
    assert "P-521" in finding.text
    assert "P-256, P-384" in finding.text


def test_a_signature_of_another_algorithm(forge, issuing, root, certified):
    chain = [certified["es384"].certificate, issuing.certificate]
    (finding,) = check_chain(chain, [root.certificate], algorithm="es256")
    assert finding.code == "algorithm-mismatch"
    assert "es384" in finding.text
    assert not check_chain(chain, [root.certificate], algorithm="es384")


def test_sha_1(compared, forge, issuing, root, tmp_path):
    """Our own library does not make such certificates any more."""

    def weak(name, issuer, extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        for file, owner in (("key", key), ("ca.key", issuer.key)):
            pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            (tmp_path / file).write_bytes(owner.private_bytes(*pem, serialization.NoEncryption()))
        (tmp_path / "ca.pem").write_bytes(issuer.pem)
        (tmp_path / "extensions").write_text(
            f"{extensions}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        )
        subject = issuer.certificate.subject.rfc4514_string().split(",")[1]
        request = f"openssl req -new -key key -subj /{subject}/CN={name} -out request"
        issuing = "openssl x509 -req -in request -CA ca.pem -CAkey ca.key -sha1 -days 300"
        issuing += " -extfile extensions -set_serial 77 -out certificate"
        for command in (request, issuing):
            subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
        certificate = x509.load_pem_x509_certificate((tmp_path / "certificate").read_bytes())
        return type(root)(certificate, key)

    leaf = weak(
        "leaf",
        issuing,
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        f"extendedKeyUsage={CLAIM.dotted_string}",
    )
    assert compared(leaf, issuing) == ["weak-signature"]
    issuer = weak("ca", root, "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")
    assert compared(forge("leaf", issuer=issuer), issuer) == ["weak-signature"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start": -30, "days": -1}, "expired"),
        ({"start": 1}, "not-yet-valid"),
        ({"constraints": False}, "issuer-not-authority"),
        ({"key_usage": None}, "issuer-usage"),
        ({"key_usage": ("digital_signature",)}, "issuer-usage"),
        ({"subject_id": False}, "issuer-key-id"),
        ({"authority_id": False}, "issuer-key-id"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "issuer-key"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "issuer-key"),
        ({"extra": (UNKNOWN,)}, "unknown-critical"),
        ({"key": ec.generate_private_key(ec.SECP521R1())}, None),
        ({"key": ed25519.Ed25519PrivateKey.generate()}, None),
    ],
)
def test_issuers(compared, forge, root, wrong, code):
    issuer = forge("issuing CA", ca=True, issuer=root, **wrong)
    leaf = forge("leaf", issuer=issuer)
    assert compared(leaf, issuer) == ([code] if code else [])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start": -30, "days": -1}, "expired"),
        ({"start": 1}, "not-yet-valid"),
        ({"length": 0}, "path-length"),
        ({"key_usage": None}, None),
    ],
)
def test_roots(compared, forge, wrong, code):
    root = forge("root", ca=True, **({"length": 1} | wrong))
    issuer = forge("issuing CA", ca=True, issuer=root)
    leaf = forge("leaf", issuer=issuer)
    assert compared(leaf, issuer, anchors=(root,)) == ([code] if code else [])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"constraints": False}, "issuer-not-authority"),
        ({"key_usage": ("crl_sign",)}, "issuer-usage"),
        ({"extra": (UNKNOWN,)}, "unknown-critical"),
    ],
)
def test_what_a_root_says_of_itself_binds(compared, forge, wrong, code):
    root = forge("root", ca=True, **({"length": 1} | wrong))
    issuer = forge("issuing CA", ca=True, issuer=root)
    leaf = forge("leaf", issuer=issuer)
    assert compared(leaf, issuer, anchors=(root,), stricter=True) == [code]


def test_a_leaf_that_was_signed_with_pss(compared, forge, root, rsa_key):
    issuer = forge("issuing CA", ca=True, issuer=root, key=rsa_key)
    assert compared(forge("leaf", issuer=issuer, pss=True), issuer) == ["weak-signature"]


def test_an_authority_below_one_that_allows_none(compared, forge, root):
    upper = forge("upper", ca=True, length=0, issuer=root)
    lower = forge("lower", ca=True, length=0, issuer=upper)
    codes = compared(forge("leaf", issuer=lower), lower, upper)
    assert codes == ["path-length", "path-length"]  # the root allows one issuing, too


def test_orders(compared, forge, certified, issuing, root):
    leaf = certified["es256"]
    assert compared(leaf, given=(issuing, leaf)) == ["out-of-order"]
    assert compared(leaf, issuing, root) == ["root-included"]
    assert compared(leaf, leaf, issuing) == ["twice"]
    top = forge("top", ca=True, length=2)
    upper = forge("upper", ca=True, length=1, issuer=top)
    lower = forge("lower", ca=True, issuer=upper)
    deep = forge("leaf", issuer=lower)
    assert compared(deep, lower, upper, anchors=(top,)) == []
    assert compared(deep, upper, lower, anchors=(top,)) == ["out-of-order"]
    assert compared(deep, lower, anchors=(top,)) == ["no-path"]
    right = check_chain([one.certificate for one in (upper, lower, deep)], [top.certificate])
    assert '"leaf", then "lower", then "upper"' in right[0].text


def test_wrong_issuers(compared, forge, certified, issuing, root):
    leaf, stranger = certified["es256"], forge("stranger", ca=True, issuer=root)
    assert compared(leaf, stranger) == ["wrong-issuer", "no-path"]
    assert compared(leaf, issuing, stranger) == ["wrong-issuer"]
    assert compared(leaf) == ["no-path"]
    namesake = forge("issuing CA", ca=True, issuer=root)
    assert compared(leaf, namesake) == ["wrong-issuer", "no-path"]
    forged = forge("leaf", issuer=issuing, signed_by=ec.generate_private_key(ec.SECP384R1()))
    assert compared(forged, issuing) == ["wrong-issuer", "no-path"]


def test_anchors(compared, forge, certified, issuing, root):
    leaf = certified["es256"]
    assert compared(leaf, issuing, anchors=()) == ["no-anchor"]
    assert compared(leaf, issuing, anchors=(issuing,)) == []
    assert compared(leaf, anchors=(issuing,)) == []
    assert compared(leaf, issuing, anchors=(forge("other root", ca=True), root)) == []
    namesake = forge("root", ca=True, length=1)
    assert compared(leaf, issuing, anchors=(namesake,)) == ["no-path"]


def test_self_signed(compared, forge, root):
    leaf = forge("leaf")
    assert compared(leaf, anchors=()) == ["self-signed"]
    assert compared(leaf, anchors=(root,)) == ["self-signed"]
    assert compared(leaf, anchors=(leaf,)) == []


def test_all_findings_are_told_not_only_the_first(forge, issuing):
    leaf = forge("leaf", issuer=issuing, usages=(), key_usage=None, authority_id=False, days=-0.5)
    codes = {finding.code for finding in check_chain([leaf.certificate, issuing.certificate])}
    assert codes == {
        "expired",
        "usage-missing",
        "key-usage-missing",
        "no-authority-key-id",
        "no-anchor",
    }


def test_no_named_root_does_not_stop_a_signer(certified, issuing):
    findings = check_chain([certified["es256"].certificate, issuing.certificate])
    assert [finding.code for finding in findings] == ["no-anchor"]
    assert refusals(findings) == ()


def test_a_slow_clock_is_told_what_it_says(certified, issuing, root):
    at = datetime.now(UTC) - timedelta(days=2)
    chain = [certified["es256"].certificate, issuing.certificate]
    finding = check_chain(chain, [root.certificate], at=at)[0]
    assert finding.code == "not-yet-valid"
    assert f"{at:%Y-%m-%d %H:%M} UTC" in finding.text
    assert "clock" in finding.text


def test_no_certificate_at_all():
    assert [finding.code for finding in check_chain([])] == ["no-certificate"]
