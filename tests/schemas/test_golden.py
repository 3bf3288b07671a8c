"""Signed formats are promises: what was written once must be read, byte for byte, for ever.

A golden file is changed only together with the format's version and the changelog.
"""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from safegen.schemas.audit import AuditReport
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.config import PackageConfig
from safegen.schemas.decision import Decision
from safegen.schemas.evaluation import EvaluationReport
from safegen.schemas.explanation import (
    Explanation,
    ExplanationSummary,
    FirstExplanation,
    FirstExplanationSummary,
)
from safegen.schemas.likeness import LikenessRegistry
from safegen.schemas.log import ConsistencyProof, LogCheckpoint, LogEntry, LoggedFile, LogReport
from safegen.schemas.measurement import ScreenMeasurement
from safegen.schemas.receipt import FirstReceipt, Receipt, read_receipt
from safegen.schemas.recovery import Recovery
from safegen.schemas.revocation import RevocationList
from safegen.schemas.verdict import Verdict

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FORMATS = {
    "audit": AuditReport,
    "certificate": PrivacyCertificate,
    "config": PackageConfig,
    "decision": Decision,
    "decision-2": Decision,  # of several policies, with a deployment
    "decision-3": Decision,  # with a screen that has a file
    "evaluation": EvaluationReport,
    "explanation": Explanation,
    "explanation-1": FirstExplanation,
    "explanation-summary": ExplanationSummary,
    "explanation-summary-1": FirstExplanationSummary,
    "consistency-proof": ConsistencyProof,
    "log-checkpoint": LogCheckpoint,
    "log-entry": LogEntry,
    "log-entry-refused": LogEntry,
    "log-report": LogReport,
    "logged-file": LoggedFile,
    "log-entry-revocation": LogEntry,
    "receipt": Receipt,
    "receipt-1": FirstReceipt,
    "revocation-list": RevocationList,
    "recovery": Recovery,
    "likeness-registry": LikenessRegistry,
    "screen-measurement": ScreenMeasurement,
    "verdict": Verdict,
    "verdict-3": Verdict,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_golden_file_is_read_and_written_byte_for_byte(name):
    data = (GOLDEN / f"{name}.json").read_bytes()
    record = FORMATS[name].model_validate_json(data)
    assert canonical_bytes(record) == data


def test_every_golden_file_is_tested():
    """Those of assertions, as they stand in a manifest, in test_schemas.py."""
    found = {path.stem for path in GOLDEN.glob("*.json")}
    tested = {*FORMATS, "certificate-2", "config-2", "config-3", "config-4"}
    assert {name for name in found if not name.startswith("assertion-")} == tested


def test_a_description_of_version_2_is_read_as_what_it_was():
    """It knows nothing of components, contrast or grain; a package keeps its bytes as they are."""
    config = PackageConfig.model_validate_json((GOLDEN / "config-2.json").read_bytes())
    assert config.format == "safegen.model/2"
    made, recipe = config.architecture, config.recipe
    assert (made.components, made.conditional, made.contrast, made.grain) == (1, True, 0.0, False)
    assert (recipe.latent_radius, recipe.prior, recipe.warm_start) == (6.0, None, None)


@pytest.mark.parametrize(("name", "kind"), [("receipt", Receipt), ("receipt-1", FirstReceipt)])
def test_receipts_of_every_version_are_told_apart(name, kind):
    assert isinstance(read_receipt((GOLDEN / f"{name}.json").read_bytes()), kind)


def test_a_receipt_says_which_version_its_explanation_has():
    said = json.loads((GOLDEN / "receipt.json").read_bytes())
    assert isinstance(Receipt.model_validate(said).explanation, FirstExplanation)
    new = json.loads((GOLDEN / "explanation.json").read_bytes())
    assert isinstance(Receipt.model_validate(said | {"explanation": new}).explanation, Explanation)
    with pytest.raises(ValidationError, match="explanation"):
        Receipt.model_validate(said | {"explanation": new | {"format": "safegen.explanation/1"}})


@pytest.mark.parametrize("scores", [{}, {"completeness_gap": -0.1}, {"infidelity": 0.1}])
def test_an_explanation_always_says_whether_it_adds_up(scores):
    said = json.loads((GOLDEN / "explanation.json").read_bytes())
    with pytest.raises(ValidationError, match="completeness_gap"):
        Explanation.model_validate(said | {"faithfulness": scores})


def test_a_certificate_of_version_2_is_read_as_what_it_was():
    """It tells the number of records beside its groups, and says `add_or_remove_one`."""
    data = (GOLDEN / "certificate-2.json").read_bytes()
    certificate = PrivacyCertificate.model_validate_json(data)
    assert canonical_bytes(certificate) == data
    assert certificate.difference() == "one group added or removed"
    assert certificate.data.size() == "1,797 records in 900 groups"


@pytest.mark.parametrize("name", ["certificate", "certificate-2"])
def test_a_certificate_says_what_its_version_says_of_neighbours(name):
    said = json.loads((GOLDEN / f"{name}.json").read_bytes())
    other = {"zero_out_one", "add_or_remove_one"} - {said["neighbours"]}
    with pytest.raises(ValidationError, match=r"neighbours in safegen\.privacy-certificate/"):
        PrivacyCertificate.model_validate(said | {"neighbours": other.pop()})


def test_a_description_of_version_4_is_read_as_what_it_was():
    config = PackageConfig.model_validate_json((GOLDEN / "config-4.json").read_bytes())
    assert config.format == "safegen.model/4"
    assert config.data.size() == "1,797 records"


def test_a_description_of_version_3_is_read_as_what_it_was():
    """It knows nothing of judges."""
    config = PackageConfig.model_validate_json((GOLDEN / "config-3.json").read_bytes())
    assert config.format == "safegen.model/3"
    assert config.architecture.components == 3
    assert not config.architecture.judged


def test_a_verdict_of_version_3_is_never_recovered():
    said = json.loads((GOLDEN / "verdict-3.json").read_bytes())
    assert Verdict.model_validate(said).format == "safegen.verdict/3"
    with pytest.raises(ValidationError, match="never recovered"):
        Verdict.model_validate(said | {"state": "recovered"})
    assert Verdict.model_validate(said | {"state": "recovered", "format": "safegen.verdict/4"})
