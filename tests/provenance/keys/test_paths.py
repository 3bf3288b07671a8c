"""Paths of certificates by RFC 5280: alone, and as files, receipts and `keys check` are judged."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

import safegen
from safegen.provenance.keys import algorithms, detached, paths
from safegen.provenance.keys.chain import check_chain

NOW = datetime.now(UTC)
UNKNOWN = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)
OWN = "Test"  # the organisation of every certificate that `forge` issues


def directory(*organisations):
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organisations]
    return x509.DirectoryName(x509.Name(names))


def only(*names, critical=True):
    return {"extra": ((x509.NameConstraints(list(names), None), critical),)}


def never(*names, critical=True):
    return {"extra": ((x509.NameConstraints(None, list(names)), critical),)}


def refusal(leaf, *others, anchors, at=NOW):
    certificates = [[one.certificate for one in some] for some in (others, anchors)]
    return paths.refusal(leaf.certificate, *certificates, at)


# What an authority says of itself, and whether its path holds
AUTHORITIES = {
    "sound": ({}, True),
    "expired": ({"start": -30, "days": -1}, False),
    "not yet valid": ({"start": 1}, False),
    "may not issue": ({"key_usage": ("crl_sign",)}, False),
    "no authority": ({"constraints": False}, False),
    "an unknown critical extension": ({"extra": (UNKNOWN,)}, False),
    "own names": (only(directory(OWN)), True),
    "own names, spelt otherwise": (only(directory(" tEsT ")), True),
    "own names, not critical": (only(directory(OWN), critical=False), True),
    "other names": (only(directory("Acme")), False),
    "other names, not critical": (only(directory("Acme"), critical=False), False),
    "one of two names": (only(directory("Acme"), directory(OWN)), True),
    "not own names": (never(directory(OWN)), False),
    "not own names, with a letter that nobody sees": (never(directory("Te\u00adst")), False),
    "not other names": (never(directory("Acme")), True),
    "longer names": (only(directory(OWN, OWN)), False),
    "hosts only": (only(x509.DNSName("acme.example")), True),  # it has no host's name
}


@pytest.mark.parametrize("wrong", AUTHORITIES)
@pytest.mark.parametrize("place", ["issuer", "root"])
@pytest.mark.parametrize("kind", ["p-384", "ed25519"])
def test_every_rule_binds_issuers_and_roots_over_every_key(forge, wrong, place, kind):
    changes, holds = AUTHORITIES[wrong]
    key = None if kind == "p-384" else ed25519.Ed25519PrivateKey.generate()
    root = forge("root", ca=True, key=key, length=1, **(changes if place == "root" else {}))
    issuer = forge("issuer", ca=True, issuer=root, **(changes if place == "issuer" else {}))
    leaf = forge("leaf", issuer=issuer)
    refused = refusal(leaf, issuer, anchors=[root])
    assert (refused is None) == holds, refused
    assert refused is None or "validation failed" not in refused  # in our words, not the library's


@pytest.mark.parametrize("kind", ["p-384", "ed25519"])
def test_no_path_is_longer_than_each_authority_allows(forge, kind):
    def authority(name, **options):
        key = None if kind == "p-384" else ed25519.Ed25519PrivateKey.generate()
        return forge(name, ca=True, key=key, **options)

    for lengths, holds in (((2, 1, 0), True), ((1, 1, 0), False), ((2, 0, 0), False)):
        root = authority("root", length=lengths[0])
        upper = authority("upper", length=lengths[1], issuer=root)
        lower = authority("lower", length=lengths[2], issuer=upper)
        refused = refusal(forge("leaf", issuer=lower), upper, lower, anchors=[root])
        assert (refused is None) == holds
        assert holds or "fewer authorities below it" in refused


def test_alternative_names_are_constrained_too(forge, root):
    hosts = forge("hosts", ca=True, issuer=root, **only(x509.DNSName("acme.example")))
    mail = forge("mail", ca=True, issuer=root, **only(x509.RFC822Name(".acme.example")))
    people = forge("people", ca=True, issuer=root, **only(directory(OWN)))
    for issuer, name, holds in (
        (hosts, x509.DNSName("www.acme.example"), True),
        (hosts, x509.DNSName("www.other.example"), False),
        (mail, x509.RFC822Name("me@www.acme.example"), True),
        (mail, x509.RFC822Name("me@other.example"), False),
        (people, directory(OWN), True),
        (people, directory("Acme"), False),
    ):
        extra = ((x509.SubjectAlternativeName([name]), False),)
        leaf = forge("leaf", issuer=issuer, extra=extra)
        assert (refusal(leaf, issuer, anchors=[root]) is None) == holds, name


@pytest.mark.parametrize(
    ("base", "holds"),
    [
        ("acme.example", True),
        (".example", True),
        ("me@ACME.example", True),
        (".acme.example", False),
        ("you@acme.example", False),
        ("cme.example", False),
    ],
)
def test_mail_in_a_subject_is_constrained_as_well(base, holds):
    from safegen.provenance.keys import name_constraints as names

    key = ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "me@acme.example")])
    issuer_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])

    def made(subject, *extensions):
        builder = x509.CertificateBuilder(issuer_name, subject, key.public_key(), 7, NOW, NOW)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(key, None)

    limited = made(issuer_name, x509.NameConstraints([x509.RFC822Name(base)], None))
    assert (names.violation([made(subject), limited]) is None) == holds


def test_a_signature_that_does_not_hold_is_no_link(forge, root):
    """Also where the library is shown copies, which are signed by us."""
    for key in (None, ed25519.Ed25519PrivateKey.generate()):
        issuer = forge("issuer", ca=True, issuer=root, key=key)
        other = None if key is None else ed25519.Ed25519PrivateKey.generate()
        namesake = forge("issuer", ca=True, issuer=root, key=other)
        leaf = forge("leaf", issuer=issuer)
        assert refusal(leaf, issuer, anchors=[root]) is None
        assert refusal(leaf, namesake, issuer, anchors=[root]) is None
        assert "no certificate that came with it" in refusal(leaf, namesake, anchors=[root])
        assert "no certificate that came with it" in refusal(leaf, anchors=[root])
        forged = forge("leaf", issuer=issuer, signed_by=ed25519.Ed25519PrivateKey.generate())
        assert refusal(forged, issuer, anchors=[root]) is not None


def test_a_weak_key_is_no_better_in_a_copy(forge):
    root = forge("root", ca=True, length=1, key=ed25519.Ed25519PrivateKey.generate())
    weak = forge("weak", ca=True, issuer=root, key=rsa.generate_private_key(65537, 1024))
    assert refusal(forge("leaf", issuer=weak), weak, anchors=[root]) is not None


def test_one_sound_path_of_several_is_enough(forge, root, issuing):
    leaf = forge("leaf", issuer=issuing)
    old = forge("root", ca=True, length=1, key=root.key, start=-30, days=-1)
    for anchors in ([old, root], [root, old]):
        assert refusal(leaf, issuing, anchors=anchors) is None
        chain = [leaf.certificate, issuing.certificate]
        assert check_chain(chain, [one.certificate for one in anchors]) == ()
    assert refusal(leaf, issuing, anchors=[old]) is not None
    assert refusal(leaf, anchors=[issuing]) is None
    assert refusal(leaf, issuing, anchors=[]) == "no root is trusted"


def test_a_root_of_the_first_version_is_what_its_list_says(forge, tmp_path):
    """Certificates said nothing of authorities then; our library makes none of them any more."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key").write_bytes(pem)
    for command in (
        "openssl req -new -key key -subj /O=Test/CN=old -out request",
        "openssl x509 -req -in request -signkey key -days 30 -out root",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "root").read_bytes())
    assert certificate.version is x509.Version.v1
    root = type(forge("any"))(certificate, key)
    issuer = forge("issuer", ca=True, issuer=root)
    leaf = forge("leaf", issuer=issuer)
    at = datetime.now(UTC)
    assert refusal(leaf, issuer, anchors=[root], at=at) is None
    assert refusal(leaf, issuer, anchors=[root], at=at + timedelta(days=31)) is not None
    assert refusal(forge("below", issuer=root), anchors=[root], at=at) is None


def test_a_crowd_of_certificates_is_not_looked_through(forge, root, issuing):
    leaf = forge("leaf", issuer=issuing)
    assert refusal(leaf, *[issuing] * 1000, anchors=[root]) is None  # only ballast
    crowd = [forge("somebody", issuer=issuing) for _ in range(paths.MAX_CERTIFICATES)]
    assert refusal(leaf, issuing, *crowd[1:], anchors=[root]) is None
    assert refusal(leaf, issuing, *crowd, anchors=[root]) is not None


@pytest.mark.parametrize("wrong", [name for name in AUTHORITIES if name != "no authority"])
@pytest.mark.parametrize("place", ["issuer", "root"])
def test_files_receipts_and_keys_check_agree(forge, seal, wrong, place, tmp_path):
    changes, holds = AUTHORITIES[wrong]
    root = forge("root", ca=True, length=1, **(changes if place == "root" else {}))
    issuer = forge("issuer", ca=True, issuer=root, **(changes if place == "issuer" else {}))
    leaf = forge("leaf", issuer=issuer)
    (tmp_path / "root.pem").write_bytes(root.pem)
    sealed = seal(
        "es256", leaf.pem + issuer.pem, lambda data: algorithms.sign("es256", leaf.key, data)
    )
    (tmp_path / "file.png").write_bytes(sealed)
    verdict = safegen.verify(tmp_path / "file.png", trust=tmp_path / "root.pem")
    assert verdict.state == ("trusted" if holds else "valid")
    said = next(finding for finding in verdict.findings if finding.step == "signer")
    expected = "safegen.signer.trusted" if holds else "safegen.signer.path"
    assert said.codes[0] == expected
    findings = check_chain([leaf.certificate, issuer.certificate], [root.certificate])
    assert all(finding.grade == "note" for finding in findings) == holds
    signature = detached.Signature(
        algorithm="es256",
        chain=(leaf.pem + issuer.pem).decode(),
        value=detached.base64.b64encode(algorithms.sign("es256", leaf.key, b"data")).decode(),
    )
    problem = detached.signature_error(signature, b"data", root.pem, datetime.now(UTC))
    assert (problem is None) == holds, problem


def test_answers_are_kept_until_a_certificate_changes_sides(forge, root):
    leaf = forge("leaf", issuer=root, start=-2, days=2).certificate
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    second = timedelta(seconds=1)
    known = {
        start - second: start - second,
        start: start,
        NOW: start,
        end: start,
        end + second: end + second,
        end + 9 * second: end + second,
    }
    for at, moment in known.items():
        assert paths.moment_of(at, [leaf]) == moment
