"""How a file came to be: who says what, over all actions of all assertions."""

import dataclasses
import json

import pytest

import safegen
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import read
from safegen.schemas.decision import Decision, RuleFinding
from safegen.verification.origin import IN_WORDS, origins_of

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MODEL, CAMERA = f"{IPTC}trainedAlgorithmicMedia", f"{IPTC}digitalCapture"
MADE, CAPTURED = "was made by a trained model", "was captured by a camera or a sensor"
ACTIONS = {
    "label": "c2pa.actions.v2",
    "created": True,
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": MODEL}]},
}


def actions(*sources, created, **more):
    listed = [{"action": "c2pa.edited", "digitalSourceType": source} for source in sources]
    own = {"created": True} if created else {}
    return {"label": "c2pa.actions.v2", "data": {"actions": listed, **more}, **own}


@pytest.fixture
def told(forge, tmp_path):
    def told(*assertions):
        assertions[0]["data"]["actions"][0]["action"] = "c2pa.created"
        path = tmp_path / "picture.png"
        path.write_bytes(forge.signed(assertions=assertions))
        verdict = safegen.verify(path, trust=forge.trust)
        assert verdict.state == "trusted", verdict.text
        return [(each.text, each.said_by) for each in verdict.origins], verdict.findings[0].text

    return told


def test_the_signers_word_and_what_he_gathered_are_told_apart(told):
    origins, text = told(actions(MODEL, created=True), actions(CAMERA, created=False))
    assert origins == [(MADE, "signer"), (CAPTURED, "nobody")]
    assert f"who says that it {MADE}." in text
    assert f"It also says that it {CAPTURED}, which its signer gathered" in text


def test_the_order_of_assertions_says_nothing(forge):
    both = [actions(MODEL, created=True), actions(CAMERA, created=False)]
    both[0]["data"]["actions"][0]["action"] = "c2pa.created"
    manifest = read(forge.signed(assertions=both), "image/png")
    backwards = dataclasses.replace(manifest, statements=manifest.statements[::-1])
    assert manifest.statements != backwards.statements
    assert origins_of(manifest) == origins_of(backwards)
    assert len(origins_of(manifest)) == 2


def test_several_of_the_signers_own_are_all_his(told):
    origins, text = told(actions(MODEL, created=True), actions(CAMERA, created=True))
    assert origins == [(MADE, "signer"), (CAPTURED, "signer")]
    assert f"who says that it {MADE} and {CAPTURED}." in text
    assert "gathered" not in text


def test_gathered_alone_is_told_and_nobodys(told):
    origins, text = told(actions(MODEL, created=False))
    assert origins == [(MADE, "nobody")]
    assert "who says" not in text
    assert f"It also says that it {MADE}, which its signer gathered and nobody stands for." in text


def test_more_than_two_assertions_of_a_label_are_read(told):
    kinds = ["digitalCapture", "screenCapture", "composite", "print"]
    origins, _ = told(*(actions(f"{IPTC}{kind}", created=False) for kind in kinds))
    assert len(origins) == len(kinds)


@pytest.mark.parametrize("address", ["https", "HTTP", "http"])
def test_either_scheme_is_the_same_term(told, address):
    origins, _ = told(actions(f"{address}{MODEL.removeprefix('http')}", created=True))
    assert origins == [(MADE, "signer")]


@pytest.mark.parametrize("term", ["http://example.org/kinds/dream", "made by hand", f"{IPTC}new"])
def test_another_term_is_quoted(told, term):
    origins, text = told(actions(term, created=True))
    assert origins == [(f'is of the kind "{term}"', "signer")]
    assert f'"{term}"' in text


def test_an_endless_term_is_cut(told):
    origins, text = told(actions("x" * 5000, created=True))
    assert len(origins[0][0]) < 300
    assert len(text) < 600


def test_an_action_has_its_templates_source(told):
    general = [{"action": "c2pa.edited", "digitalSourceType": MODEL}]
    plain = {"action": "c2pa.edited"}
    said = {
        "label": "c2pa.actions.v2",
        "created": True,
        "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": CAMERA}, plain],
                 "templates": general},
    }  # fmt: skip
    assert told(said)[0] == [(CAPTURED, "signer"), (MADE, "signer")]


def test_every_source_that_can_be_signed_has_words():
    for source in claims.SOURCE_TYPES.values():
        assert source.removeprefix("http://") in IN_WORDS


def test_in_a_claim_of_the_first_kind_all_is_the_signers():
    from safegen.provenance.c2pa.manifest.statements import statements_of

    said = {"claim_version": 1, "assertions": [{"label": "c2pa.actions.v2", "data": {}}]}
    assert [each.created for each in statements_of(said)] == [True]
    assert [each.created for each in statements_of(said | {"claim_version": 2})] == [False]
    assert [each.created for each in statements_of({"assertions": said["assertions"]})] == [False]


def test_an_output_says_where_it_comes_from(made):
    path = made.outputs / "0001.png"
    assert [each.text for each in origins_of(read(path.read_bytes(), "image/png"))] == [MADE]


# The same of our own statements


def decision(*, allowed, created=True):
    outcome = "passed" if allowed else "failed"
    data = Decision(
        policy="house",
        policy_digest="sha256:" + "0" * 64,
        stage="release",
        allowed=allowed,
        findings=(RuleFinding(rule="one", outcome=outcome, text="because"),),
    ).model_dump(mode="json", exclude_none=True)
    return {"label": claims.DECISION, "data": data, **({"created": True} if created else {})}


def policy(forge, tmp_path, *assertions):
    path = tmp_path / "picture.png"
    path.write_bytes(forge.signed(assertions=[ACTIONS, *assertions]))
    verdict = safegen.verify(path, trust=forge.trust)
    (found,) = (each for each in verdict.findings if each.step == "policy")
    return found, verdict.state


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_of_several_decisions_a_refusal_wins(forge, tmp_path, first, created):
    """In whatever order, and whoever's it is."""
    both = [decision(allowed=True), decision(allowed=False, created=created)]
    found, state = policy(forge, tmp_path, *(both if first else reversed(both)))
    assert (found.codes[0], state) == ("safegen.policy.refused", "invalid")


def test_an_allowance_that_was_gathered_is_none(forge, tmp_path):
    found, state = policy(forge, tmp_path, decision(allowed=True, created=False))
    assert (found.codes[0], state) == ("safegen.policy.none", "trusted")
    assert "nobody stands for" in found.text
    found, _ = policy(forge, tmp_path, decision(allowed=True), decision(allowed=True))
    assert found.codes[0] == "safegen.policy.allowed"


@pytest.mark.parametrize("created", [True, False])
def test_a_second_privacy_claim_is_read_too(forge, made, model, tmp_path, created):
    said = json.loads((made.model / "certificate.json").read_text())
    own = {"label": claims.PRIVACY, "data": said, "created": True}
    false = {"label": claims.PRIVACY, "data": said | {"epsilon": 0.001}}
    false |= {"created": True} if created else {}
    path = tmp_path / "picture.png"
    path.write_bytes(forge.signed(assertions=[ACTIONS, own, false]))
    verdict = safegen.verify(path, trust=forge.trust)
    (found,) = (each for each in verdict.findings if each.step == "privacy")
    expected = "differs" if created else "recomputed"  # what nobody says is not held against it
    assert found.codes[0] == f"safegen.privacy.{expected}"
