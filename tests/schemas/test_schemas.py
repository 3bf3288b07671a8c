"""The published schemas say what the manifests hold."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.c2pa.claims import _fields
from safegen.schemas import published
from safegen.schemas.certificate import MAX_EVENT_KINDS, PrivacyCertificate
from safegen.schemas.explanation import ExplanationSummary, FirstExplanationSummary

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs" / "schemas"
GOLDEN = ROOT / "tests" / "golden"
ALL = published.ASSERTIONS | published.EARLIER | published.DOCUMENTS | published.WRITTEN


def schema_of(label):
    return json.loads((PUBLISHED / f"{label}.json").read_bytes())


def validator(label):
    return jsonschema.Draft202012Validator(schema_of(label))


def golden(label):
    name = label.removeprefix("org.safegen.")
    return json.loads((GOLDEN / f"assertion-{name}.json").read_bytes())


def test_there_is_a_schema_for_every_assertion_of_our_own():
    labels = {
        claims.PRIVACY, claims.EXPLANATION, claims.DECISION, claims.REQUEST, claims.PACKAGE,
        claims.LABEL, claims.WATERMARK,
    }  # fmt: skip
    assert set(published.ASSERTIONS) == labels
    others = published.EARLIER | published.DOCUMENTS | published.WRITTEN
    assert {path.stem for path in PUBLISHED.glob("*.json")} == labels | set(others)


def test_the_published_schemas_are_current(tmp_path):
    """`python -m safegen.schemas.published docs/schemas` writes them anew."""
    subprocess.run(
        [sys.executable, "-m", "safegen.schemas.published", tmp_path], check=True, cwd=tmp_path
    )
    for label in ALL:
        assert (tmp_path / f"{label}.json").read_bytes() == (
            PUBLISHED / f"{label}.json"
        ).read_bytes()


@pytest.mark.parametrize("label", ALL)
def test_a_schema_is_one_and_describes_everything(label):
    schema = schema_of(label)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:safegen:{label}"
    assert schema["title"] == label
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["description"]
        assert part["additionalProperties"] is False
        for name, field in part["properties"].items():
            assert field.get("description"), (label, name)


def test_a_revocation_list_validates_and_others_do_not():
    check = validator("safegen.revocation-list")
    given = json.loads((GOLDEN / "revocation-list.json").read_bytes())
    check.validate(given)
    for name in given:
        assert not check.is_valid({key: value for key, value in given.items() if key != name})
    one = given["revocations"][0]
    for wrong in ({"reason": "stolen"}, {"id": "9f"}, {"what": "house"}, {"more": 1}):
        assert not check.is_valid(given | {"revocations": [one | wrong]})


def test_a_likeness_registry_validates_and_others_do_not():
    check = validator("safegen.likeness-registry")
    given = json.loads((GOLDEN / "likeness-registry.json").read_bytes())
    check.validate(given)
    one = given["entries"][0]
    for wrong in ({"picture": "..."}, {"what": "animal"}, {"consent": {"reference": "x"}}):
        assert not check.is_valid(given | {"entries": [one | wrong]})
    assert not check.is_valid(given | {"entries": []})


def test_a_screen_s_measurement_validates_and_others_do_not():
    check = validator("safegen.screen-measurement")
    given = json.loads((GOLDEN / "screen-measurement.json").read_bytes())
    check.validate(given)
    for name in given.keys() - {"file_digest"}:
        assert not check.is_valid({key: value for key, value in given.items() if key != name})
    for wrong in ({"denies": "both"}, {"digest": "9f"}, {"screen": "Weapons"}, {"more": 1}):
        assert not check.is_valid(given | wrong)


def test_a_privacy_claim_has_all_that_it_is_recomputed_from():
    schema = schema_of("org.safegen.privacy")
    assert {"events", "epsilon", "delta", "unit"} <= set(schema["required"])
    assert "lower_bound" in schema["properties"]  # left out where no attack was made
    events = schema["properties"]["events"]
    assert (events["minItems"], events["maxItems"]) == (1, MAX_EVENT_KINDS)


@pytest.mark.parametrize("label", published.ASSERTIONS | published.EARLIER)
def test_golden_assertions_validate_and_others_do_not(label):
    check, assertion = validator(label), golden(label)
    check.validate(assertion)
    for name in schema_of(label)["required"]:
        assert not check.is_valid({key: value for key, value in assertion.items() if key != name})
    assert not check.is_valid(assertion | {"another": 1})
    assert not check.is_valid([assertion])


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("org.safegen.privacy", {"epsilon": -1}),
        ("org.safegen.privacy", {"delta": 1}),
        ("org.safegen.privacy", {"unit": "pixel"}),
        ("org.safegen.privacy", {"events": []}),
        ("org.safegen.privacy", {"events": [{"event": "laplace", "count": 1}]}),
        ("org.safegen.privacy", {"lower_bound": None}),
        ("org.safegen.privacy", {"format": "safegen.privacy-certificate/1"}),
        ("org.safegen.explanation", {"faithfulness": {"completeness_gap": "small"}}),
        ("org.safegen.explanation", {"completeness_gap": 0.1}),
        ("org.safegen.explanation-1", {"completeness_gap": -0.1}),
        ("org.safegen.decision", {"stage": "later"}),
        ("org.safegen.decision", {"findings": [{"rule": "x", "outcome": "maybe", "text": ""}]}),
        ("org.safegen.request", {"seed": 2**53}),
        ("org.safegen.request", {"count": 0}),
        ("org.safegen.package", {"weights": 1}),
        ("org.safegen.label", {"position": "middle"}),
        ("org.safegen.label", {"height": 7.5}),
    ],
)
def test_a_false_assertion_does_not_validate(label, change):
    assert not validator(label).is_valid(golden(label) | change)


def test_a_claim_without_an_attack_validates():
    assertion = golden("org.safegen.privacy")
    del assertion["lower_bound"]
    validator("org.safegen.privacy").validate(assertion)


@pytest.mark.parametrize("label", published.ASSERTIONS)
def test_golden_assertions_are_what_a_manifest_gives_back(label, media, signer):
    """Signed as CBOR and read again, byte for byte in their meaning."""
    assertion = golden(label)
    acts = {
        "allActionsIncluded": True,
        "actions": [{"action": "c2pa.created", "digitalSourceType": claims.MODEL_SOURCE}],
    }
    claim = claims.Claim(
        title="x",
        mime="image/png",
        assertions=(
            {"label": "c2pa.actions.v2", "data": acts, "created": True},
            {"label": label, "data": assertion, "created": True},
        ),
    )
    signed, _ = manifest.sign(media["image/png"], claim, signer)
    assert manifest.read(signed, "image/png").assertions[label] == assertion


def test_golden_assertions_are_the_golden_records():
    for label, name, record in (
        ("org.safegen.privacy", "certificate", PrivacyCertificate),
        ("org.safegen.explanation", "explanation-summary", ExplanationSummary),
        ("org.safegen.explanation-1", "explanation-summary-1", FirstExplanationSummary),
    ):
        whole = record.model_validate_json((GOLDEN / f"{name}.json").read_bytes())
        assert _fields(whole) == golden(label)


def test_what_is_really_signed_validates(made):
    outputs = sorted(made.outputs.glob("*.png"))
    assert outputs
    found = [manifest.read(path.read_bytes(), "image/png") for path in outputs]
    weights = (made.model / "weights.safetensors").read_bytes()
    store = (made.model / "model.c2pa").read_bytes()
    found.append(manifest.read(weights, "application/octet-stream", beside=store))
    seen = set()
    for each in found:
        for label, assertion in each.assertions.items():
            if label.startswith("org.safegen."):
                validator(label).validate(assertion)
                seen.add(label)
    assert seen == set(published.ASSERTIONS) - {claims.LABEL}  # which a policy must ask for
