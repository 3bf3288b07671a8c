"""Persons who stand for a file: what can be told of them, and that it is nothing about bytes."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

import safegen
from safegen.errors import InputError, KeyMaterialError
from safegen.provenance.c2pa.manifest.identities import identities_of
from safegen.verification.steps.identity import _told

PAST = "2025-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def jane(forge):
    """Somebody with a certificate of her own, and the root that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    root = forge.issue("registry", key, authority=True)
    own = ec.generate_private_key(ec.SECP256R1())
    mail = ExtendedKeyUsageOID.EMAIL_PROTECTION
    leaf = forge.issue("Jane", own, (root, key), usage=mail)
    (forge.folder / "registry.pem").write_bytes(forge.pem(root))
    return [leaf], own, forge.folder / "registry.pem"


@pytest.fixture(scope="module")
def aggregator(persons):
    key = ed25519.Ed25519PrivateKey.generate()
    return persons.by_key(key), key


@pytest.fixture
def look(forge, tmp_path):
    def look(person, **options):
        path = tmp_path / "picture.png"
        path.write_bytes(forge.signed(person=person))
        verdict = safegen.verify(path, trust=forge.trust, **options)
        (found,) = (each for each in verdict.findings if each.step == "identity")
        codes = {each.step: each.codes[0] for each in verdict.findings}
        assert codes["integrity"] == "safegen.integrity.whole"
        assert codes["signer"] == "safegen.signer.trusted"
        return verdict, found

    return look


def test_a_host_that_would_have_to_be_asked(persons, look):
    verdict, found = look(persons.in_the_word_of(f"did:web:{persons.AWAY}"))
    assert verdict.state == "trusted"
    assert found.codes == ("safegen.identity.unasked", "cawg.ica.did_unavailable")
    assert found.outcome == "not_checked"
    assert f"only did:web:{persons.AWAY} could say" in found.text
    assert found.text in verdict.text
    (identity,) = verdict.identities
    assert (identity.name, identity.state) == ("somebody (a provider)", "unasked")


def test_an_aggregator_who_is_a_key(persons, aggregator, look, tmp_path):
    person = persons.in_the_word_of(*aggregator)
    verdict, found = look(person)
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.no-list")
    assert "--identity-trust" in found.text
    listed = tmp_path / "aggregators.txt"
    listed.write_text(f"# ours\n{aggregator[0]}\n")
    verdict, found = look(person, identity_trust=listed)
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.trusted")
    assert verdict.identities[0].trusted_by == str(listed)
    listed.write_text(f"{persons.by_key(ed25519.Ed25519PrivateKey.generate())}\n")
    verdict, found = look(person, identity_trust=listed)
    assert (verdict.state, found.codes[0]) == ("valid", "safegen.identity.unknown")
    assert found.text in verdict.text
    assert "Nothing in it was changed" not in verdict.text
    assert "time-trust" not in verdict.text


def test_a_certificate_and_who_vouches_for_it(persons, jane, look, forge):
    chain, key, registry = jane
    person = persons.with_certificate(chain, key)
    verdict, found = look(person)
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.no-list")
    assert verdict.identities[0].name == "Jane (Acme)"
    verdict, found = look(person, identity_trust=registry)
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.trusted")
    assert verdict.identities[0].trusted_by == str(registry)
    assert f"your list {registry} vouches for that" in found.text
    verdict, found = look(person, identity_trust=[forge.trust])
    assert (verdict.state, found.codes[0]) == ("valid", "safegen.identity.unknown")


def test_a_root_on_both_lists_keeps_its_two_parts_apart(persons, forge, look, jane):
    chain, key, registry = jane
    mine = persons.with_certificate([forge.good], forge.key)
    verdict, found = look(mine, identity_trust=forge.trust)
    assert found.codes[0] == "safegen.identity.trusted"
    assert verdict.signer.trusted_by == str(forge.trust)
    verdict, _ = look(persons.with_certificate(chain, key), identity_trust=[forge.trust, registry])
    assert verdict.state == "trusted"


def test_lists_of_identities_vouch_for_no_signer(persons, forge, jane, tmp_path):
    """The SDK alone would have it so."""
    chain, key, registry = jane
    path = tmp_path / "picture.png"
    for person in (None, persons.with_certificate(chain, key)):
        path.write_bytes(forge.signed(person=person))
        verdict = safegen.verify(path, identity_trust=[forge.trust, registry])
        assert verdict.state == "valid"
        assert verdict.signer.trusted_by is None
    for lists in ({"trust": registry}, {"time_trust": registry}):
        verdict = safegen.verify(path, **lists)  # nor the other way round
        assert verdict.identities[0].trusted_by is None


def test_a_false_identity_is_a_false_statement_and_no_changed_byte(persons, jane, aggregator, look):
    chain, key, registry = jane
    stranger = ec.generate_private_key(ec.SECP256R1())
    for person, code in (
        (persons.with_certificate(chain, stranger), "cawg.x509.signature.mismatch"),
        (
            persons.with_certificate(chain, key, said_of=bytes(32)),
            "cawg.identity.assertion.mismatch",
        ),
        (persons.in_the_word_of(aggregator[0]), "cawg.ica.signature_mismatch"),
    ):
        for lists in ({}, {"identity_trust": registry}):
            verdict, found = look(person, **lists)
            assert (verdict.state, found.codes[0]) == ("invalid", "safegen.identity.broken")
            assert code in found.codes
            assert verdict.text == found.text
            assert "changed" not in verdict.text


def test_what_is_out_of_date_or_of_an_unknown_kind_proves_nothing(persons, aggregator, look):
    verdict, found = look(persons.in_the_word_of(*aggregator, validUntil=PAST))
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.lapsed")
    verdict, found = look(persons.in_the_word_of("did:plc:abc"))
    assert (verdict.state, found.codes[0]) == ("trusted", "safegen.identity.unclear")


def test_an_ingredients_identity_breaks_nothing(persons, forge, jane, aggregator, tmp_path):
    chain, key, _ = jane
    path = tmp_path / "picture.png"
    for person in (
        persons.in_the_word_of(f"did:web:{persons.AWAY}"),
        persons.with_certificate(chain, key),
        persons.in_the_word_of(aggregator[0]),  # false, but it is the ingredient's
    ):
        path.write_bytes(forge.signed(ingredients=[("part", forge.signed(person=person))]))
        verdict = safegen.verify(path, trust=forge.trust)
        assert verdict.state == "trusted", verdict.text
        assert verdict.ingredients[0].state == "sound"
        assert verdict.identities == ()


def test_a_file_with_an_unasked_identity_can_be_edited_and_one_with_a_false_one_not(
    persons, forge, made, aggregator, tmp_path
):
    path, ledger = tmp_path / "picture.png", tmp_path / "ledger.db"
    path.write_bytes(forge.signed(person=persons.in_the_word_of(f"did:web:{persons.AWAY}")))
    signed = safegen.sign(path, keys=made.keys, ledger=ledger)
    assert signed.manifest.state == "Trusted"
    path.write_bytes(forge.signed(person=persons.in_the_word_of(aggregator[0])))
    with pytest.raises(InputError, match="says falsely that somebody"):
        safegen.sign(path, keys=made.keys, ledger=ledger)


def test_a_list_of_nobody_is_refused(forge, tmp_path):
    empty = tmp_path / "list.txt"
    empty.write_text("nobody\n")
    with pytest.raises(KeyMaterialError):
        safegen.verify(forge.file(), identity_trust=empty)


def test_without_identities_nothing_is_said(forge):
    verdict = safegen.verify(forge.file(), trust=forge.trust)
    assert verdict.identities == ()
    assert "safegen.identity.none" in {each.codes[0] for each in verdict.findings}


def at(code, label, kind="failure"):
    status = {"code": code, "url": f"self#jumbf=/c2pa/x/c2pa.assertions/{label}"}
    return {"success": [], "informational": [], "failure": []} | {kind: [status]}


def test_each_of_several_is_told_apart():
    entries = [{"label": "cawg.identity", "data": {}},
               {"label": "cawg.identity", "instance": 1, "data": {}},
               {"label": "cawg.training-mining", "data": {}}]  # fmt: skip
    checks = at("cawg.x509.signature.mismatch", "cawg.identity__1")
    first, second = identities_of(entries, checks, ())
    assert (first.state, second.state) == ("unclear", "broken")  # of the first nothing was found
    checks = at("cawg.x509.signature.validated", "cawg.identity", "success")
    first, second = identities_of(entries, checks, ())
    assert (first.state, second.state) == ("unlisted", "unclear")


def test_a_code_of_tomorrow_is_the_worst():
    (found,) = identities_of(
        [{"label": "cawg.identity", "data": {}}], at("cawg.of.tomorrow", "cawg.identity"), ()
    )
    assert found.state == "broken"


@pytest.mark.parametrize(
    "data",
    [None, [], "text", {"signature_info": []}, {"issuer": {"id": 1}, "verifiedIdentities": 7},
     {"issuer": "did:web:a", "verifiedIdentities": ["x", {"name": 3, "provider": []}, {}]},
     {"issuer": "{who}{0}", "verifiedIdentities": [{"name": "{why}" * 5000}]}],
)  # fmt: skip
def test_odd_identities_are_told_of_as_far_as_they_can(forge, data):
    (identity,) = identities_of(
        [{"label": "cawg.identity", "data": data}],
        at("cawg.ica.did_unavailable", "cawg.identity"),
        (),
    )
    assert identity.state == "unasked"
    sentence = _told("unasked", identity)
    assert len(sentence) < 600
    assert "stands for it" in sentence
