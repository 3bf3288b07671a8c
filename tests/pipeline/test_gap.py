"""A package and an output against policies, by Python and by the command."""

import json

import pytest
from typer.testing import CliRunner

from safegen.cli.commands import build
from safegen.errors import InputError, TamperedError
from safegen.pipeline.gap import gap
from safegen.provenance.keys import pki

DEPLOYMENT = """
placed_on_market: 2026-09-01
exposure: public
jurisdictions: [EU]
is_deepfake: false
is_artistic: false
detector: none
"""


def states(report):
    return {row.rule: row.state for row in report.rows}


@pytest.fixture
def deployment(tmp_path):
    (tmp_path / "deployment.yaml").write_text(DEPLOYMENT)
    return tmp_path / "deployment.yaml"


def test_an_output_meets_what_its_manifest_and_its_deployment_say(made, deployment):
    both = ["baseline", "eu-ai-act-art50"]
    output = made.outputs / "0001.png"
    report = gap(output, policy=both, deployment=deployment, trust=made.root)
    found = states(report)
    assert report.kind == "output"
    for rule in ("purpose-stated", "model-certified", "output-signed", "output-marked"):
        assert found[f"baseline/{rule}"] == "met"
    assert found["eu-ai-act-art50/machine-readable"] == "met"
    assert found["eu-ai-act-art50/detectable"] == "missed"
    assert found["eu-ai-act-art50/first-exposure"] == "missed"
    assert report.deployment is not None


def test_of_a_package_the_privacy_is_told_and_the_outputs_are_not(made):
    found = states(gap(made.model, policy=["nist-800-226", "baseline"], trust=made.root))
    assert found["nist-800-226/recomputed"] == "met"
    assert found["nist-800-226/side-channels"] == "missed"
    assert found["baseline/model-private"] == "met"
    assert found["baseline/purpose-stated"] == "unknown"
    assert found["baseline/output-signed"] == "unknown"


def test_what_nobody_trusted_signed_or_what_was_changed_is_no_subject(made, tmp_path):
    pki.init(tmp_path / "keys")
    for subject in (made.outputs / "0001.png", made.model):
        with pytest.raises(TamperedError, match="trust"):
            gap(subject, trust=tmp_path / "keys" / "root.pem")
    changed = tmp_path / "changed.png"
    data = bytearray((made.outputs / "0001.png").read_bytes())
    data[-20] ^= 1
    changed.write_bytes(data)
    with pytest.raises(TamperedError, match="not what was signed"):
        gap(changed)
    with pytest.raises(InputError, match="only what safegen let out does"):
        gap(made.outputs / "explanations" / "0001.png")


def test_the_command_tells_it_in_words_in_json_and_as_a_page(made, deployment, tmp_path):
    page = tmp_path / "gap.html"
    asked = ["policy", "gap", str(made.outputs / "0001.png"), "--policy", "eu-ai-act-art50"]
    asked += ["--deployment", str(deployment), "--trust", str(made.root)]
    done = CliRunner().invoke(build(["policy"]), [*asked, "--html", str(page)])
    assert done.exit_code == 3, done.output
    text = page.read_text()
    assert "article 50(2)" in text
    assert "http://" not in text.replace("http://cv.iptc.org", "")
    assert "<strong>To do:</strong> Offer a page that verifies an output" in text
    done = CliRunner().invoke(build(["policy"]), [*asked, "--json"])
    rows = json.loads(done.stdout)["rows"]
    assert {row["rule"]: row["state"] for row in rows}["machine-readable"] == "met"
    deployment.write_text(
        DEPLOYMENT.replace("none", "https://example.org")
        + "attested: {eu-ai-act-art50/first-exposure: {by: J. Doe, on: 2026-10-01}}\n"
    )
    assert CliRunner().invoke(build(["policy"]), asked).exit_code == 0
