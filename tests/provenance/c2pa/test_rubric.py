"""C2PA's rubric for assets (conformance programme 0.2, specification 2.4), as rules of our own.

Each rule has the rubric's identifier and looks at crJSON, the form in which the C2PA SDK reports a
manifest to such judges. All that safegen signs must keep every rule, and each rule must be able to
fail: for each there is a violation that is planted into a good report.
"""

import copy
import io
import json
from dataclasses import dataclass

import c2pa
import pytest

from safegen.modality.image import FORMATS
from safegen.pipeline.sign import sign as sign_file
from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.c2pa.sdk import _context
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.media.formats import mime_of

# What the specification knows, 2.4: names of assertions and actions, and codes of failures.

ASSERTIONS = {
    f"c2pa.{name}"
    for name in (
        "actions.v2", "ai-disclosure", "alternative-content-representation", "asset-ref",
        "asset-type.v2", "assertion.metadata", "certificate-status", "cloud-data",
        "depthmap.GDepth", "embedded-data", "environmental-sustainability", "external-reference",
        "hash.bmff.v3", "hash.boxes", "hash.collection.data", "hash.data", "hash.data.part",
        "hash.multi-asset", "icon", "ingredient.v3", "metadata", "repository-receipt",
        "session-keys", "soft-binding", "thumbnail.claim", "thumbnail.ingredient", "time-stamp",
    )
}  # fmt: skip
OLD_ASSERTIONS = {
    f"c2pa.{name}"
    for name in ("actions", "asset-type", "claim", "hash.bmff.v2", "ingredient", "ingredient.v2")
}
OLD_ACTIONS = {
    f"c2pa.{name}"
    for name in (
        "color_adjustments", "copied", "formatted", "managed", "printed", "produced", "saved",
        "version_updated", "watermarked",
    )
}  # fmt: skip
INCEPTION = {"c2pa.created", "c2pa.opened"}
NOT_EDITORIAL = {
    f"c2pa.{name}"
    for name in (
        "converted", "edited.metadata", "enhanced", "published", "redacted", "repackaged",
        "resized.proportional", "transcoded", "watermarked", "watermarked.bound",
        "watermarked.unbound",
    )
}  # fmt: skip
ACTIONS = INCEPTION | NOT_EDITORIAL | {
    f"c2pa.{name}"
    for name in (
        "addedText", "adjustedColor", "changedSpeed", "color_adjustments", "cropped", "deleted",
        "drawing", "dubbed", "edited", "filtered", "mastered", "mixed", "orientation", "placed",
        "remixed", "removed", "resized", "translated", "trimmed", "unknown",
    )
}  # fmt: skip
PARAMETERS = {
    "description", "ingredient", "ingredients", "italic", "multipleInstances", "optical-size",
    "ranges", "redacted", "relatedAssertions", "slant", "sourceLanguage", "targetLanguage",
    "weight", "width",
}  # fmt: skip
RELATIONSHIPS = {"parentOf", "inputTo", "componentOf"}
MALFORMED = {
    *(
        f"assertion.{name}.malformed"
        for name in (
            "action", "alternativeContentRepresentation", "bmffHash", "boxesHash",
            "collectionHash", "dataHash", "external-reference", "ingredient", "multiAssetHash",
        )
    ),
    *(
        f"manifest.structuredText.{name}"
        for name in (
            "emptyReference", "malformedReference", "multipleReferences", "noManifest",
            "noResolutionPath",
        )
    ),
    "assertion.alternativeContentRepresentation.missing", "assertion.boxesHash.unknownBox",
    "assertion.cbor.invalid", "assertion.external-reference.created",
    "assertion.external-reference.labelMismatch", "assertion.json.invalid",
    "assertion.multipleHardBindings", "claim.cbor.invalid", "claim.hardBindings.missing",
    "claim.malformed", "claim.missing", "claim.multiple", "hashedURI.missing",
    "ingredient.manifest.missing", "manifest.compressed.invalid", "manifest.html.multipleManifests",
    "manifest.inaccessible", "manifest.multipleParents", "manifest.timestamp.invalid",
    "manifest.timestamp.wrongParents", "manifest.update.invalid", "manifest.update.wrongParents",
}  # fmt: skip
MISMATCHED = {
    *(
        f"assertion.{name}.mismatch"
        for name in (
            "bmffHash", "boxesHash", "collectionHash", "dataHash", "hashedURI", "multiAssetHash",
        )
    ),
    "assertion.action.ingredientMismatch", "assertion.action.redactionMismatch",
    "assertion.alternativeContentRepresentation.hashMismatch",
    "assertion.external-reference.hashMismatch", "assertion.hardBinding.redacted",
    "claimSignature.missing", "hashedURI.mismatch", "ingredient.claimSignature.mismatch",
    "ingredient.claimSignature.missing", "ingredient.manifest.mismatch",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A report's active manifest, and the parts of it that rules speak of."""

    report: dict

    @property
    def active(self):
        return self.report["manifests"][0]

    @property
    def assertions(self):
        return self.active.get("assertions") or {}

    @property
    def claim(self):
        return self.active.get("claim.v2") or {}

    @property
    def generator(self):
        info = self.claim.get("claim_generator_info") or {}
        return info[0] if isinstance(info, list) else info

    @property
    def created(self):
        return [each["url"] for each in self.claim.get("created_assertions") or []]

    @property
    def action_lists(self):
        return [data for data in self.bodies if "actions" in data]

    @property
    def actions(self):
        return [action for data in self.action_lists for action in data["actions"]]

    @property
    def bodies(self):
        return [data for data in self.assertions.values() if isinstance(data, dict)]

    @property
    def ingredients(self):
        return [data for data in self.bodies if data.get("relationship") is not None]

    @property
    def failures(self):
        found = self.active.get("validationResults")
        return None if found is None else {each["code"] for each in found.get("failure") or []}

    def named(self, *names):
        return [action for action in self.actions if action["action"] in names]


def has(data, *keys):
    return all(data.get(key) is not None for key in keys)


def lacks(data, *keys):
    return all(data.get(key) is None for key in keys)


def visible_changes_have_a_source(seen):
    exempt = INCEPTION | NOT_EDITORIAL | {"c2pa.placed"}
    changes = [action for action in seen.actions if action["action"].startswith("c2pa.")]
    return all(
        has(action, "digitalSourceType") for action in changes if action["action"] not in exempt
    )


def specification_is_named(seen):
    stated = seen.generator.get("specVersion")
    return isinstance(stated, str) and stated.split(".")[:2] == ["2", "4"]


def inception_comes_first(seen):
    lists = [url for url in seen.created if "c2pa.actions" in url]
    if not lists or not lists[0].endswith("c2pa.actions.v2"):
        return False
    return not seen.named("c2pa.created") or seen.actions[0]["action"] in INCEPTION


def human_entries_are_not_rated(seen):
    human = {"humanEntry.anonymous", "humanEntry.credentialed"}
    return not any(
        has(data, "reviewRatings") and (data.get("dataSource") or {}).get("type") in human
        for data in seen.bodies
    )


def preservation_images_are_in_one_place(seen):
    places = ("multiAssetPartIndex", "embeddedOriginalPreservationImage")
    images = [
        data
        for data in seen.bodies
        if "exif.originalPreservationImage" in {data.get("type"), parameters(data).get("type")}
    ]
    return all(sum(has(parameters(data), place) for place in places) == 1 for data in images)


def parameters(data):
    return data.get("parameters") or {}


def references_lead_where_they_may(seen):
    fixed = {"c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference"}
    return not any(
        has(data, "label", "url")
        and lacks(data, "relationship")
        and (data["label"] in fixed or data["label"].startswith(("c2pa.hash", "c2pa.ingredient")))
        for data in seen.bodies
    )


def what_was_only_opened_says_that_this_is_all(seen):
    only_opened = [action["action"] for action in seen.actions] == ["c2pa.opened"]
    whole = (seen.assertions.get("c2pa.actions.v2") or {}).get("allActionsIncluded") is True
    return whole or not only_opened


def no_boxes_are_hashed_in_tiff(seen):
    kind = (seen.assertions.get("c2pa.asset-type.v2") or {}).get("dc:format")
    return "c2pa.hash.boxes" not in seen.assertions or kind not in {
        "image/tiff", "image/x-adobe-dng",
    }  # fmt: skip


def standard(labels):
    return [label for label in labels if label.startswith("c2pa.")]


def own(labels):
    return [label for label in labels if not label.startswith("c2pa.")]


def names(seen):
    return [action["action"] for action in seen.actions]


RULES = {
    "mandatory_dst_for_perceptible_transformations": visible_changes_have_a_source,
    "mandatory_spec_version": specification_is_named,
    "mandatory_all_actions_included": lambda seen: all(
        has(data, "allActionsIncluded") for data in seen.action_lists
    ),
    "no_dst_for_opened_action": lambda seen: all(
        lacks(action, "digitalSourceType") for action in seen.named("c2pa.opened")
    ),
    "well_formed_data_present": lambda seen: seen.failures is not None,
    "well_formed_success": lambda seen: seen.failures is not None and not seen.failures & MALFORMED,
    "valid_data_present": lambda seen: seen.failures is not None,
    "valid_success": lambda seen: seen.failures is not None and not seen.failures & MISMATCHED,
    "inception_action_position": inception_comes_first,
    "no_deprecated_assertions": lambda seen: (
        not any(label in OLD_ASSERTIONS or label.startswith("stds.") for label in seen.assertions)
    ),
    "no_unsupported_assertions": lambda seen: all(
        label.partition("__")[0] in ASSERTIONS | OLD_ASSERTIONS
        for label in standard(seen.assertions)
    ),
    "no_deprecated_actions": lambda seen: not seen.named(*OLD_ACTIONS),
    "no_unsupported_actions": lambda seen: set(standard(names(seen))) <= ACTIONS,
    "no_unrecognized_custom_assertions": lambda seen: all(
        "." in label for label in own(seen.assertions)
    ),
    "no_unrecognized_custom_actions": lambda seen: all("." in name for name in own(names(seen))),
    "no_unrecognized_custom_action_parameters": lambda seen: all(
        name in PARAMETERS or "." in name for action in seen.actions for name in parameters(action)
    ),
    "discouraged_legacy_action_parameters": lambda seen: all(
        lacks(parameters(action), "description", "ingredient") for action in seen.actions
    ),
    "active_manifest_urn": lambda seen: seen.active.get("label", "").startswith("urn:c2pa:"),
    "review_ratings_datasource": human_entries_are_not_rated,
    "ingredient_v3_no_active_manifest": lambda seen: (
        not any(
            lacks(each, "activeManifest") and has(each, "validationResults")
            for each in seen.ingredients
        )
    ),
    "ingredient_v3_mandatory_validation_results": lambda seen: (
        not any(
            has(each, "activeManifest") and lacks(each, "validationResults")
            for each in seen.ingredients
        )
    ),
    "ingredient_relationship_values": lambda seen: (
        {each["relationship"] for each in seen.ingredients} <= RELATIONSHIPS
    ),
    "mandatory_dst_for_created_action": lambda seen: all(
        has(action, "digitalSourceType") for action in seen.named("c2pa.created")
    ),
    "no_deprecated_claim_fields": lambda seen: lacks(seen.claim, "specVersion"),
    "ingredient_v3_choice": lambda seen: (
        not any(has(each, "activeManifest", "digitalSourceType") for each in seen.ingredients)
    ),
    "alternative_content_representation_choice": preservation_images_are_in_one_place,
    "forbidden_labels_in_external_references": references_lead_where_they_may,
    "no_url_in_hashes": lambda seen: all(
        lacks(seen.assertions.get(label) or {}, "url")
        for label in ("c2pa.hash.data", "c2pa.hash.bmff.v3")
    ),
    "all_actions_included_opened": what_was_only_opened_says_that_this_is_all,
    "opened_action_ingredient_reference": lambda seen: all(
        len((parameters(action)).get("ingredients") or []) == 1
        for action in seen.named("c2pa.opened")
    ),
    "no_box_hash_for_tiff": no_boxes_are_hashed_in_tiff,
}


def report(data, mime, made, beside=None):
    """The SDK's crJSON."""
    context = _context(trust_in(made.root.read_bytes()))
    with c2pa.Reader(mime, io.BytesIO(data), manifest_data=beside, context=context) as reader:
        return json.loads(reader.crjson())


def broken(found):
    return {name for name, rule in RULES.items() if not rule(Seen(found))}


@pytest.fixture(scope="module")
def reports(made, model, media, tmp_path_factory):
    """crJSON of one of everything that safegen signs."""
    folder = tmp_path_factory.mktemp("all")
    own = {"keys": made.keys, "ledger": folder / "ledger.db"}
    found = {}
    for name in FORMATS:
        (output,) = model.generate(
            1, label=3, seed=5, purpose="x", format=name, explain="full"
        ).outputs
        found[f"output.{name}"] = report(output.data, f"image/{name}", made)
        found[f"figure of {name}"] = report(output.figure, "image/png", made)
        path = folder / output.name
        path.write_bytes(output.data)
        sign_file(path, **own)
        found[f"edited.{name}"] = report(path.read_bytes(), f"image/{name}", made)
    for mime, data in media.items():
        path = folder / f"own.{mime.rpartition('/')[2]}"
        path.write_bytes(data)
        signed = sign_file(path, source="photograph", **own)
        beside = signed.sidecar and signed.sidecar.read_bytes()
        found[f"own {mime}"] = report(path.read_bytes(), mime_of(path, data), made, beside)
    twice = sign_file(folder / "own.csv", **own).sidecar.read_bytes()
    found["a table edited"] = report(media["text/csv"], "text/csv", made, twice)
    weights = (made.model / "weights.safetensors").read_bytes()
    store = (made.model / "model.c2pa").read_bytes()
    found["the model"] = report(weights, "application/octet-stream", made, store)
    return found


def test_there_is_a_rule_for_every_check():
    assert len(RULES) == 31


def test_everything_that_is_signed_keeps_every_rule(reports):
    assert len(reports) == 3 * len(FORMATS) + 14
    assert {name: broken(found) for name, found in reports.items()} == {
        name: set() for name in reports
    }


def plant(found, name):
    """Break one rule in a good report."""
    active = found["manifests"][0]
    assertions, claim = active["assertions"], active["claim.v2"]
    acts = assertions["c2pa.actions.v2"]
    (opened, edited), parent = acts["actions"], assertions["c2pa.ingredient.v3"]
    failures = active["validationResults"]["failure"]
    preserved = {"type": "exif.originalPreservationImage", "parameters": {}}
    rated = {"reviewRatings": [], "dataSource": {"type": "humanEntry.anonymous"}}
    return {
        "mandatory_dst_for_perceptible_transformations": lambda: edited.pop("digitalSourceType"),
        "mandatory_spec_version": lambda: claim["claim_generator_info"].update(specVersion="2.3"),
        "mandatory_all_actions_included": lambda: acts.pop("allActionsIncluded"),
        "no_dst_for_opened_action": lambda: opened.update(digitalSourceType="x"),
        "well_formed_data_present": lambda: active.pop("validationResults"),
        "well_formed_success": lambda: failures.append({"code": "claim.malformed"}),
        "valid_data_present": lambda: active.pop("validationResults"),
        "valid_success": lambda: failures.append({"code": "assertion.dataHash.mismatch"}),
        "inception_action_position": claim["created_assertions"].clear,
        "no_deprecated_assertions": lambda: assertions.update({"c2pa.asset-type": {}}),
        "no_unsupported_assertions": lambda: assertions.update({"c2pa.safegen__2": {}}),
        "no_deprecated_actions": lambda: edited.update(action="c2pa.produced"),
        "no_unsupported_actions": lambda: edited.update(action="c2pa.invented"),
        "no_unrecognized_custom_assertions": lambda: assertions.update({"safegen": {}}),
        "no_unrecognized_custom_actions": lambda: edited.update(action="sharpened"),
        "no_unrecognized_custom_action_parameters": lambda: edited.update(parameters={"seed": 1}),
        "discouraged_legacy_action_parameters": lambda: edited.update(
            parameters={"description": "x"}
        ),
        "active_manifest_urn": lambda: active.update(label="urn:uuid:1"),
        "review_ratings_datasource": lambda: assertions.update({"org.x": rated}),
        "ingredient_v3_no_active_manifest": lambda: parent.pop("activeManifest"),
        "ingredient_v3_mandatory_validation_results": lambda: parent.pop("validationResults"),
        "ingredient_relationship_values": lambda: parent.update(relationship="childOf"),
        "mandatory_dst_for_created_action": lambda: edited.update(
            action="c2pa.created", digitalSourceType=None
        ),
        "no_deprecated_claim_fields": lambda: claim.update(specVersion="2.4.0"),
        "ingredient_v3_choice": lambda: parent.update(digitalSourceType="x"),
        "alternative_content_representation_choice": lambda: assertions.update(
            {"org.x": preserved}
        ),
        "forbidden_labels_in_external_references": lambda: assertions.update(
            {"org.x": {"label": "c2pa.hash.data", "url": "x"}}
        ),
        "no_url_in_hashes": lambda: assertions["c2pa.hash.data"].update(url="x"),
        "all_actions_included_opened": lambda: acts.update(
            actions=[opened], allActionsIncluded=False
        ),
        "opened_action_ingredient_reference": lambda: opened.pop("parameters"),
        "no_box_hash_for_tiff": lambda: assertions.update(
            {"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}}
        ),
    }[name]()


# What cannot be broken alone.
ALSO = {
    "well_formed_data_present": {
        "valid_data_present", "well_formed_success", "valid_success",
    },
    "valid_data_present": {
        "well_formed_data_present", "well_formed_success", "valid_success",
    },
    "no_deprecated_actions": {"no_unsupported_actions"},
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_planted_violation_of_each_rule_is_found_and_no_other(reports, name):
    found = copy.deepcopy(reports["edited.png"])
    plant(found, name)
    assert broken(found) == {name} | ALSO.get(name, set())


def really(action=None, label=None, **more):
    """A claim that breaks rules on its own, and is signed as it is."""
    act = {"action": "c2pa.created", "digitalSourceType": claims.SOURCE_TYPES["model"]}
    acts = {"allActionsIncluded": True, "actions": [act]} | more
    assertions = [{"label": "c2pa.actions.v2", "data": acts, "created": True}]
    if action:
        acts["actions"].append({"action": action, "digitalSourceType": f"{claims.IPTC}humanEdits"})
    if label:
        assertions.append({"label": label, "data": {"x": 1}, "created": True})
    return claims.Claim(title="x", mime="image/png", assertions=tuple(assertions))


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (really(action="c2pa.produced"), "no_deprecated_actions"),
        (really(action="c2pa.invented"), "no_unsupported_actions"),
        (really(action="sharpened"), "no_unrecognized_custom_actions"),
        (really(label="c2pa.invented"), "no_unsupported_assertions"),
        (really(label="safegen"), "no_unrecognized_custom_assertions"),
        (really(label="c2pa.asset-type.v2"), "no_deprecated_assertions"),
    ],
)
def test_what_the_sdk_signs_without_a_word_is_found_in_what_it_signed(
    media, made, signer, claim, rule
):
    signed, _ = manifest.sign(media["image/png"], claim, signer)
    assert rule in broken(report(signed, "image/png", made))


# The signals rubric: what a reader tells people a file is.


def said(found, place=0):
    """Its words for a manifest, as far as they apply to what safegen signs."""
    seen = Seen({"manifests": [found["manifests"][place]]})
    began = {action.get("digitalSourceType") for action in seen.named(*INCEPTION)}
    signals = {
        "Fully GenAI Media": f"{claims.IPTC}trainedAlgorithmicMedia" in began,
        "Partly GenAI Creation": claims.FIGURE_SOURCE in began,
        "Captured Media": f"{claims.IPTC}digitalCapture" in began,
        "Media of Unknown Provenance": any(
            lacks(each, "activeManifest") for each in seen.ingredients
        ),
        "Perceptible Non-GenAI Transformations": any(
            action.get("digitalSourceType") == f"{claims.IPTC}humanEdits"
            for action in seen.actions
            if action["action"] not in INCEPTION | NOT_EDITORIAL
        ),
        "ambiguous actions": not seen.actions
        or any(data.get("allActionsIncluded") is not True for data in seen.action_lists)
        or bool(own(names(seen)) or seen.named("c2pa.unknown"))
        or any(
            "c2pa.actions" in each["url"] for each in seen.claim.get("gathered_assertions") or []
        ),
    }
    return {name for name, holds in signals.items() if holds}


def test_readers_are_told_what_a_file_is(reports):
    for name in FORMATS:
        assert said(reports[f"output.{name}"]) == {"Fully GenAI Media"}
        assert said(reports[f"figure of {name}"]) == {"Partly GenAI Creation"}
        assert said(reports[f"edited.{name}"]) == {"Perceptible Non-GenAI Transformations"}
    assert said(reports["own image/png"]) == {"Captured Media"}


def test_only_the_model_has_an_ingredient_of_unknown_provenance(reports):
    """Its data set's card, which has no manifest: nobody signed the records themselves."""
    assert said(reports["the model"]) == {"Media of Unknown Provenance"}
    assert said(reports["output.png"], place=1) == {"Media of Unknown Provenance"}
