"""C2PA's validation codes: which of them speak against bytes, and which against nothing."""

import copy

import pytest

from safegen.provenance.c2pa import claims, manifest, sdk
from safegen.provenance.c2pa.manifest.ingredients import ingredients_of
from safegen.provenance.c2pa.manifest.statuses import concern, failures, faults
from safegen.provenance.keys.trust import Trust, TrustList
from safegen.verification.c2pa_messages import RULES, WORDS

IDENTITY = "self#jumbf=/c2pa/urn:c2pa:1/c2pa.assertions/cawg.identity__1"
OTHERS = {  # all codes that are not about bytes, of those that have words
    "algorithm.deprecated": "nothing",
    "ingredient.unknownProvenance": "nothing",
    "signingCredential.ocsp.inaccessible": "nothing",
    "assertion.timestamp.malformed": "time",
    "timeStamp.credentialInvalid": "time",
    "timeStamp.malformed": "time",
    "timeStamp.mismatch": "time",
    "timeStamp.outsideValidity": "time",
    "timeStamp.untrusted": "time",
    "claimSignature.outsideValidity": "signer",
    "signingCredential.expired": "signer",
    "signingCredential.invalid": "signer",
    "signingCredential.ocsp.revoked": "signer",
    "signingCredential.ocsp.unknown": "signer",
    "signingCredential.revoked": "signer",
    "signingCredential.untrusted": "signer",
}
SOUND = [  # C2PA 2.2, table of success codes, and CAWG's
    "claimSignature.validated", "claimSignature.insideValidity", "signingCredential.trusted",
    "signingCredential.ocsp.notRevoked", "timeStamp.validated", "timeStamp.trusted",
    "assertion.hashedURI.match", "assertion.dataHash.match", "assertion.bmffHash.match",
    "assertion.boxesHash.match", "assertion.collectionHash.match", "assertion.accessible",
    "ingredient.manifest.validated", "ingredient.claimSignature.validated",
    "assertion.dataHash.additionalExclusionsPresent", "cawg.identity.well-formed",
    "cawg.ica.credential_valid", "cawg.x509.credential.trusted", "signingCredential.ocsp.skipped",
]  # fmt: skip
VENDORS = ["com.adobe.prerelease", "org.example.scan", "acme", ""]


@pytest.mark.parametrize("code", sorted({*WORDS, *SOUND}))
def test_every_code_has_its_place(code):
    assert concern(code) == ("nothing" if code in SOUND else OTHERS.get(code, "content"))


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_broken_rule_speaks_against_the_manifest(code):
    assert concern(code) == "content"
    assert code in WORDS


@pytest.mark.parametrize("code", VENDORS)
def test_a_vendors_code_is_known_as_such(code):
    assert concern(code) == "vendor"
    listed = [{"code": code, "explanation": "whatever"}]
    assert faults(listed, mixed=True) == {}
    assert faults(listed) == failures(listed) == {code: "whatever"}  # a list of failures says so


@pytest.mark.parametrize("code", ["cawg.identity.pad.invalid", "cawg.of.tomorrow"])
def test_what_is_said_of_persons_is_no_failure_of_the_manifest(code):
    assert concern(code) == "identity"
    assert faults([{"code": code}]) == failures([{"code": code}]) == {}


def test_a_failure_at_the_place_of_an_identity_is_its_own():
    """The SDK before 0.91 gave the codes of claims for identities, too."""
    status = {"code": "signingCredential.untrusted", "url": IDENTITY}
    assert concern(**status) == "identity"
    assert concern(status["code"]) == "signer"
    assert failures([status]) == {}


def test_who_is_on_no_list_is_no_fault_of_an_ingredient():
    listed = [{"code": code} for code in (*SOUND, *OTHERS)]
    assert set(faults(listed)) == {
        code
        for code, each in OTHERS.items()
        if each == "signer" and code != "signingCredential.untrusted"
    }


@pytest.fixture(scope="module")
def report(made, media):
    """The SDK's report of a picture that was edited."""
    from safegen.provenance.keys.opener import open_signer

    signer = open_signer(made.keys)
    kind = "image/png"
    claim = claims.created_claim(
        title="part.png", mime=kind, source_type=claims.SOURCE_TYPES["photograph"]
    )
    before, _ = manifest.sign(media[kind], claim, signer)
    parent = claims.Ingredient(
        name="parent", title="part.png", mime=kind, relationship="parentOf", content=before
    )
    edited = claims.edited_claim(
        title="whole.png", mime=kind, parent=parent, source_type=claims.SOURCE_TYPES["human-edits"]
    )
    data, _ = manifest.sign(before, edited, signer)
    trust = Trust(signers=(TrustList(name="ours", pem=made.root.read_bytes()),))
    return sdk.read_store(data, kind, trust=trust, beside=None)


def recorded(report, *statuses):
    """The same as of C2PA 1, whose makers wrote what they had found into one list."""
    report = copy.deepcopy(report)
    (item,) = report["manifests"][report["active_manifest"]]["ingredients"]
    del item["validation_results"]
    item["validation_status"] = list(statuses)
    return ingredients_of(report)[0]


@pytest.mark.parametrize("code", [*SOUND, *VENDORS, "timeStamp.untrusted", "algorithm.deprecated"])
def test_what_was_found_and_is_no_failure_breaks_no_ingredient(report, code):
    found = recorded(report, {"code": code, "url": "self#jumbf=c2pa.signature"})
    assert found.state == "sound"
    assert not found.declared


@pytest.mark.parametrize("code", ["assertion.dataHash.mismatch", "signingCredential.revoked"])
def test_what_failed_among_the_rest_still_breaks_it(report, code):
    statuses = [{"code": each} for each in (*SOUND[:3], code, *VENDORS)]
    found = recorded(report, *statuses)
    assert found.state == "broken"
    assert set(found.declared) == {code}


def test_a_list_of_failures_is_believed_but_for_what_is_none(report):
    report = copy.deepcopy(report)
    (item,) = report["manifests"][report["active_manifest"]]["ingredients"]
    said = item["validation_results"]["activeManifest"]["failure"]
    said[:] = [{"code": each} for each in ("org.example.scan", "timeStamp.mismatch", SOUND[0])]
    assert set(ingredients_of(report)[0].declared) == {"org.example.scan"}
