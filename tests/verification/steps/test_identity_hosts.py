"""Persons who stand for a file, by everything that an identifier can be, however deep they lie."""

import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

import safegen

DEPTHS = (0, 2)  # of the picture that somebody stands for
FUTURE, PAST = "2125-01-01T00:00:00Z", "2025-02-01T00:00:00Z"
HOSTS = {  # as did:web writes them; what a resolver would make of them is never asked
    "ip": "127.0.0.1",
    "ip-port": "127.0.0.1%3A8443",
    "ip-path": "127.0.0.1%3A8443:a:b",
    "metadata-service": "169.254.169.254",
    "six": "%5B%3A%3A1%5D",
    "six-port": "%5B%3A%3Affff%3A127.0.0.1%5D%3A443",
    "decimal": "2130706433",
    "hexadecimal": "0x7f000001",
    "octal": "0177.0.0.1",
    "short": "127.1",
    "local": "localhost",
    "with-user": "user%40nobody.example",
    "up-and-out": "nobody.example:..:..:etc",
    "long": "a" * 300 + ".example",
    "newline": "nobody.example%0d%0aHost:x",
}
OTHERS = {
    "nothing": "did:web:",
    "capitals": "DID:WEB:nobody.example",
    "no-identifier": "nobody.example",
    "an-address": "https://nobody.example/.well-known/did.json",
    "a-file": "file:///etc/passwd",
    "empty": "",
    "a-key-that-is-none": "did:jwk:e30",
    "another-method": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    "a-fragment": "did:web:nobody.example#key-1",
    "a-query": "did:web:nobody.example?service=files",
    "letters-of-no-host": "did:web:nobödy.example",
}


def deep(forge, data, depth):
    for _ in range(depth):
        data = forge.signed(ingredients=[("part", data)])
    return data


@pytest.fixture(scope="module")
def verdicts(forge, persons, tmp_path_factory):
    """A verdict for each identifier, at the top and two deep."""
    folder = tmp_path_factory.mktemp("hosts")
    issuers = {name: f"did:web:{host}" for name, host in HOSTS.items()} | OTHERS
    for name, issuer in issuers.items():
        data = forge.signed(person=persons.in_the_word_of(issuer))
        for depth in DEPTHS:
            (folder / f"{name}.{depth}.png").write_bytes(deep(forge, data, depth))
    found = safegen.verify_tree([folder], trust=forge.trust)
    assert len(found) == len(DEPTHS) * len(issuers)
    return {each.path.rpartition("/")[2][:-4]: each for each in found}


def code(verdict, step):
    return next(each.codes[0] for each in verdict.findings if each.step == step)


@pytest.mark.parametrize("name", [*HOSTS, *OTHERS])
def test_whoever_it_names_the_bytes_and_the_signer_are_what_they_are(verdicts, name):
    for depth in DEPTHS:
        verdict = verdicts[f"{name}.{depth}"]
        assert code(verdict, "integrity") == "safegen.integrity.whole"
        assert code(verdict, "signer") == "safegen.signer.trusted"


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_not_asked_however_it_is_written(verdicts, name):
    verdict = verdicts[f"{name}.0"]
    assert (verdict.state, code(verdict, "identity")) == ("trusted", "safegen.identity.unasked")
    (identity,) = verdict.identities
    assert identity.trusted_by is None


@pytest.mark.parametrize("name", [*HOSTS, *OTHERS])
def test_what_lies_deeper_breaks_nothing(verdicts, name):
    verdict = verdicts[f"{name}.2"]
    assert verdict.state == "trusted", verdict.text
    assert verdict.identities == ()
    assert [each.state for each in verdict.ingredients] == ["sound"]


@pytest.fixture(scope="module")
def people(forge):
    """Somebody's certificate by a registry, and the same after it expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    root, own = (
        forge.issue("registry", key, authority=True),
        ec.generate_private_key(ec.SECP256R1()),
    )
    mail = ExtendedKeyUsageOID.EMAIL_PROTECTION
    (forge.folder / "people.pem").write_bytes(forge.pem(root))
    return [forge.issue("Ann", own, (root, key), usage=mail)], own, forge.folder / "people.pem"


def changed_afterwards(person, breaks):
    """A person's statement, in which something was exchanged after it was signed."""

    def changed(binding):
        said = person(binding)
        return said | breaks(said)

    return changed


def flipped(said):
    return {"signature": said["signature"][:-1] + bytes([said["signature"][-1] ^ 1])}


def renamed(said):
    return {"signature": said["signature"].replace(b"somebody", b"somebodx")}


def another_kind(said):
    return {"signer_payload": said["signer_payload"] | {"sig_type": "cawg.of.tomorrow"}}


def of_less(said):
    return {"signer_payload": said["signer_payload"] | {"referenced_assertions": []}}


@pytest.mark.parametrize(
    ("sort", "breaks", "state", "first"),
    [
        ("key", flipped, "invalid", "safegen.identity.broken"),
        ("key", renamed, "invalid", "safegen.identity.broken"),
        ("key", of_less, "invalid", "safegen.identity.broken"),
        ("key", another_kind, "trusted", "safegen.identity.unclear"),
        ("certificate", flipped, "invalid", "safegen.identity.broken"),
        ("certificate", of_less, "invalid", "safegen.identity.broken"),
        ("certificate", another_kind, "trusted", "safegen.identity.unclear"),
    ],
)
def test_what_was_exchanged_holds_nowhere_and_is_false_where_it_stands(
    forge, persons, people, tmp_path, sort, breaks, state, first
):
    key, lists = ed25519.Ed25519PrivateKey.generate(), tmp_path / "trusted.txt"
    if sort == "key":
        person = persons.in_the_word_of(persons.by_key(key), key)
        lists.write_text(f"{persons.by_key(key)}\n")
    else:
        person = persons.with_certificate(*people[:2])
        lists.write_bytes(people[2].read_bytes())
    path = tmp_path / "picture.png"
    data = forge.signed(person=changed_afterwards(person, breaks))
    path.write_bytes(data)
    for told in ({}, {"identity_trust": lists}):
        verdict = safegen.verify(path, trust=forge.trust, **told)
        assert (verdict.state, code(verdict, "identity")) == (state, first)
        assert code(verdict, "integrity") == "safegen.integrity.whole"
        assert verdict.identities[0].trusted_by is None
        assert "not a trusted issuer" not in verdict.text
        assert "untrusted" not in verdict.text
    path.write_bytes(deep(forge, data, 2))
    verdict = safegen.verify(path, trust=forge.trust, identity_trust=lists)
    assert (verdict.state, verdict.ingredients[0].state) == ("trusted", "sound")


@pytest.mark.parametrize(
    "changes",
    [
        {"validFrom": FUTURE},
        {"validUntil": PAST},
        {"validUntil": "soon"},
        {"validFrom": None},
        {"issuer": ["did:web:a", "did:web:b"]},
        {"issuer": {"id": "did:web:nobody.example", "name": "A provider"}},
        {"credentialSubject": {}},
        {"credentialSubject": []},
        {"@context": []},
        {"type": "none"},
        {"credentialStatus": {"id": "http://127.0.0.1:9/status"}},
    ],
    ids=json.dumps,
)
def test_an_odd_credential_says_nothing_of_bytes(forge, persons, tmp_path, changes):
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "picture.png"
    data = forge.signed(person=persons.in_the_word_of(persons.by_key(key), key, **changes))
    path.write_bytes(data)
    lists = tmp_path / "trusted.txt"
    lists.write_text(f"{persons.by_key(key)}\n")
    verdict = safegen.verify(path, trust=forge.trust, identity_trust=lists)
    assert code(verdict, "integrity") == "safegen.integrity.whole"
    path.write_bytes(deep(forge, data, 2))
    assert safegen.verify(path, trust=forge.trust).state == "trusted"


def test_a_credential_about_another_file_is_false(forge, persons, tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    theirs = persons.in_the_word_of(persons.by_key(key), key)

    def lent(binding):
        """Whatever binds this picture, the credential is about another one."""
        return theirs(bytes(32)) | {"signer_payload": theirs(binding)["signer_payload"]}

    path = tmp_path / "picture.png"
    path.write_bytes(forge.signed(person=lent))
    lists = tmp_path / "trusted.txt"
    lists.write_text(f"{persons.by_key(key)}\n")
    verdict = safegen.verify(path, trust=forge.trust, identity_trust=lists)
    assert (verdict.state, code(verdict, "identity")) == ("invalid", "safegen.identity.broken")


@pytest.mark.parametrize("signature", [b"", b"\x00", b"\xd2\x84", cbor2.dumps(7), bytes(2000)])
def test_no_signature_at_all_says_nothing_of_bytes(forge, persons, tmp_path, signature):
    person = persons.in_the_word_of("did:web:127.0.0.1")
    path = tmp_path / "picture.png"
    data = forge.signed(person=changed_afterwards(person, lambda _: {"signature": signature}))
    path.write_bytes(data)
    verdict = safegen.verify(path, trust=forge.trust)
    assert code(verdict, "integrity") == "safegen.integrity.whole"
    assert verdict.identities[0].trusted_by is None
    path.write_bytes(deep(forge, data, 2))
    assert safegen.verify(path, trust=forge.trust).state == "trusted"
