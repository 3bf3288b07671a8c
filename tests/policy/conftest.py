"""Facts as a release gathers them, and policies of one rule."""

import textwrap

import pytest

from safegen.policy.facts import (
    CertificateFacts,
    DataFacts,
    DeploymentFacts,
    ExplanationFacts,
    FileFacts,
    ManifestFacts,
    MarkFacts,
    ModelFacts,
    OutputFacts,
    PlanFacts,
    RequestFacts,
    TimeFacts,
    facts_at,
)

REQUEST = {"purpose": "a test", "label": 3, "label_name": "three", "count": 2}
CERTIFICATE = {"recomputed": True, "epsilon": 8.0, "delta": 1e-5, "unit": "record"}
DATA = {"name": "digits", "licence": "CC0-1.0", "source": "https://example.org", "public": False}
EXPLANATION = {"made": True, "faithfulness": {"completeness_gap": 0.0}}
MANIFEST = {"signed": True, "source_type": "http://x/trainedAlgorithmicMedia"}
OUTPUT = {"format": "png", "width": 32, "height": 32, "screens": {"contrast": 0.3}}
FILE = {
    "state": "trusted",
    "signer": "Studio",
    "trusted": True,
    "time_stamped": True,
    "ingredients": 1,
    "declared_broken": 0,
    "unsigned_ingredients": 0,
}
PLAN = {"epsilon": 8.0, "delta": 1e-5, "unit": "record", "units": 1797}
TIME = {"date": "2026-11-28", "hour": 12}


def made(kind, standard, changes):
    known = {name: changes.pop(name, value) for name, value in standard.items()}
    more = {name: changes.pop(name) for name in [*changes] if name in kind.__dataclass_fields__}
    return kind(**known, **more)


def _facts(stage="request", failures=None, deployment=None, **changes):
    """Facts of a stage; `foreseen` is the release before anything was sampled."""
    if "contrast" in changes:
        changes["screens"] = {"contrast": changes.pop("contrast")}
    if "gap" in changes:
        changes["faithfulness"] = {"completeness_gap": changes.pop("gap")}
    always = [DeploymentFacts(**(deployment or {})), made(TimeFacts, TIME, changes)]
    asked = [
        made(RequestFacts, REQUEST, changes),
        ModelFacts(digest="sha256:00"),
        made(CertificateFacts, CERTIFICATE, changes),
    ]
    manifest = made(ManifestFacts, MANIFEST, changes)
    if stage == "foreseen":
        known = [*asked, made(DataFacts, DATA, changes), manifest, ExplanationFacts(made=True)]
        return facts_at("release", *known, *always)
    groups = {
        "train": [made(PlanFacts, PLAN, changes)],
        "request": asked,
        "release": [
            *asked,
            made(OutputFacts, OUTPUT, changes),
            made(ExplanationFacts, EXPLANATION, changes),
            made(MarkFacts, {}, changes),
            manifest,
        ],
        "publish": [made(FileFacts, FILE, changes)],
    }[stage]
    if stage != "publish":
        groups.append(made(DataFacts, DATA, changes))
    assert not changes, changes
    return facts_at(stage, *groups, *always, failures=failures)


@pytest.fixture(scope="session")
def facts():
    return _facts


@pytest.fixture
def write(tmp_path):
    def write(text, name="policy.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def one_rule(write):
    """A policy with one rule and one more for the other stage of a generation."""

    def one_rule(require, stage="request", name="policy.yaml", **keys):
        more = "".join(f"\n            {key}: {value}" for key, value in keys.items())
        return write(
            f"""
        name: mine
        description: One rule.
        rules:
          - id: only
            stage: {stage}
            require: {require}
            because: It must be so.{more}
          - id: other
            stage: {"release" if stage == "request" else "request"}
            require: "true"
            because: Each stage needs a rule.
        """,
            name,
        )

    return one_rule
