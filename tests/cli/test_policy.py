"""`safegen policy`: what each command prints, and its exit codes."""

import json

import pytest
from typer.testing import CliRunner

from safegen.cli.commands import build
from safegen.errors import PolicyError, TamperedError
from safegen.schemas.decision import Decision

SMALL = """
name: small
description: Small batches.
rules:
  - {id: few, stage: request, require: request.count < %s, because: Few.}
tests:
  - {it: refuses three, stage: request, facts: {request.count: 3}, expect: {few: failed}}
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL % 3)
    return str(tmp_path / "small.yaml")


def policy(*words):
    return CliRunner().invoke(build(["policy"]), ["policy", *map(str, words)])


def test_every_pack_is_listed_with_its_law():
    listed = policy("list").output
    assert "eu-ai-act-art50" in listed
    assert "Regulation (EU) 2024/1689" in listed


def test_a_pack_is_shown_with_articles_and_what_is_uncertain():
    shown = policy("show", "eu-ai-act-art50").output
    for text in ("article 50(4)", "uncertain:", "the word of whoever", "in EU", "(warns)"):
        assert text in shown, text


def test_a_policy_that_alone_lets_nothing_out_is_told(small):
    done = policy("check", small)
    assert done.exit_code == 0
    assert "it has no rule for the release stage" in done.output
    assert "alone" not in policy("check", small, "baseline").output


def test_tests_inside_a_policy_fail_with_exit_code_2(small, tmp_path):
    assert policy("test", small, "baseline").exit_code == 0
    (tmp_path / "small.yaml").write_text(SMALL % 4)
    done = policy("test", small)
    assert done.exit_code == 2
    assert "refuses three: few is passed" in done.output
    assert "0 of 1 tests passed" in done.output


def test_facts_are_decided_on_with_exit_code_3_for_a_refusal(small, tmp_path):
    (tmp_path / "facts.yaml").write_text("request.count: 2\n")
    asked = ("decide", "--stage", "request", "--facts", tmp_path / "facts.yaml", "--policy", small)
    assert policy(*asked).exit_code == 0
    (tmp_path / "facts.yaml").write_text("request.count: 3\n")
    done = policy(*asked, "--json")
    assert done.exit_code == 3
    decision = Decision.model_validate_json(done.stdout)
    assert [finding.outcome for finding in decision.findings] == ["failed", "failed"]
    (tmp_path / "facts.yaml").write_text("request.cuont: 3\n")
    assert isinstance(policy(*asked).exception, PolicyError)


def test_a_policy_without_tests_does_not_pass_them(small, tmp_path):
    (tmp_path / "none.yaml").write_text(SMALL.split("tests:", maxsplit=1)[0] % 3)
    done = policy("test", tmp_path / "none.yaml", small)
    assert done.exit_code == 2
    assert "no tests; write some" in done.output
    assert "1 of 1 tests passed" in done.output


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("request:\n  count: 2\n", r"whole name, as in request\.NAME: VALUE"),
        ("request.actor: [ada, bob]\n", r"request\.actor: expected one value, found \["),
    ],
)
def test_facts_that_are_written_in_another_way_are_refused_with_the_right_one(
    small, tmp_path, facts, reason
):
    (tmp_path / "facts.yaml").write_text(facts)
    asked = ("decide", "--stage", "request", "--facts", tmp_path / "facts.yaml", "--policy", small)
    with pytest.raises(PolicyError, match=reason):
        raise policy(*asked).exception


def test_what_was_judged_is_named_by_a_noun(small, tmp_path):
    (tmp_path / "facts.yaml").write_text("plan.epsilon: 2.0\n")
    asked = ("decide", "--stage", "train", "--facts", tmp_path / "facts.yaml", "--policy", small)
    assert "small refused this training:" in policy(*asked).output


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(PolicyError, match="is a folder; name a policy file in it"):
        raise policy("check", tmp_path).exception


def test_a_finished_file_is_decided_on_before_it_is_posted(made, tmp_path):
    (tmp_path / "news.yaml").write_text(
        "name: news\ndescription: x\nrules:\n"
        "- {id: known, stage: publish, require: file.trusted, because: We know who signed it.}\n"
    )
    asked = ("decide", made.outputs / "0001.png", "--policy", tmp_path / "news.yaml")
    assert policy(*asked, "--trust", made.root).exit_code == 0
    done = policy(*asked)
    assert done.exit_code == 3
    assert "known: We know who signed it." in done.output


def test_why_tells_a_receipt_s_decisions_and_how_far_they_stand(made, tmp_path):
    receipt = made.outputs / "0001.receipt.json"
    told = policy("why", receipt, "--trust", made.root).output
    assert "The receipt stands" in told
    assert "allowed this request" in told
    assert "passed  output-signed" in told
    assert "Nothing was checked" in policy("why", receipt).output
    said = json.loads(receipt.read_bytes())
    said["decisions"][0]["findings"][0]["text"] = "Everything is fine."
    (tmp_path / "forged.receipt.json").write_text(json.dumps(said))
    done = policy("why", tmp_path / "forged.receipt.json", "--trust", made.root)
    assert isinstance(done.exception, TamperedError)


def test_why_tells_a_file_s_decision(made, tmp_path):
    told = policy("why", made.outputs / "0001.png", "--trust", made.root).output
    assert "allowed this release" in told
    changed = bytearray((made.outputs / "0001.png").read_bytes())
    changed[-20] ^= 1
    (tmp_path / "changed.png").write_bytes(changed)
    assert isinstance(policy("why", tmp_path / "changed.png").exception, TamperedError)


def test_a_difference_is_told_rule_by_rule(small, tmp_path):
    (tmp_path / "new.yaml").write_text(
        SMALL.split("tests:", maxsplit=1)[0] % 5
        + "  - {id: who, stage: request, require: request.actor != '', because: Named.}\n"
    )
    told = policy("diff", small, tmp_path / "new.yaml").output
    assert "rule few asks for: request.count < 3 -> request.count < 5" in told
    assert "rule who is new, at request: request.actor != ''" in told
    assert "rule who is gone" in policy("diff", tmp_path / "new.yaml", small).output
    assert policy("diff", small, small).output.strip() == "Both ask the same."
