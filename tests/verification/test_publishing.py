"""What a reader's own policy says of a finished file, beside the steps of verification."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

import safegen
from safegen.errors import InputError, PolicyError
from safegen.policy.deployment import UNKNOWN
from safegen.report import junit, sarif
from safegen.verification.publishing import facts_of, publishing_policy

NAME = b"\x65tests"  # the claim generator, in a signed claim

SOUND = """
name: newsroom
description: Nothing that it was made from was broken.
rules:
  - {id: sound-history, stage: publish, require: "file.declared_broken == 0", because: Whole.}
  - {id: known, stage: publish, require: file.trusted, because: We know who signed it.}
"""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "newsroom.yaml"
    path.write_text(SOUND)
    return path


def told(verdict):
    """What a policy is told of a verdict."""
    return facts_of(verdict, UNKNOWN, datetime.now(UTC)).known


@pytest.fixture
def broken(forge, mend):
    """A signed picture whose claim was changed."""
    copy = bytearray(forge.signed())
    copy[copy.index(NAME) + 2] ^= 1
    return mend(bytes(copy))


@pytest.fixture
def put(tmp_path):
    def put(data, name="file.png"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return put


def test_a_declared_failure_is_refused_by_who_asks_for_none(forge, broken, policy, put):
    path = put(forge.signed(ingredients=[("broken.png", broken)]))
    assert safegen.verify(path, trust=forge.trust).state == "trusted"
    verdict = safegen.verify(path, trust=forge.trust, policy=policy)
    assert verdict.state == "invalid"
    assert verdict.findings[-1].codes == ("safegen.publish.refused",)
    assert verdict.text == "Your policy newsroom refuses it: sound-history: Whole."
    assert "safegen.publish.refused" in sarif.render([verdict])
    assert 'failures="1"' in junit.render([verdict])


def test_a_failure_that_is_declared_further_down_counts(forge, broken, policy, put):
    middle = forge.signed(ingredients=[("broken.png", broken)])
    path = put(forge.signed(ingredients=[("middle.png", middle)]))
    plain = safegen.verify(path, trust=forge.trust)
    known = told(plain)
    assert (plain.state, known["file.declared_broken"]) == ("trusted", 1)
    assert known["file.ingredients"] == 2
    assert safegen.verify(path, trust=forge.trust, policy=policy).state == "invalid"


def test_what_the_policy_asks_for_passes(forge, policy, put):
    path = put(forge.signed(ingredients=[("sound.png", forge.signed())]))
    verdict = safegen.verify(path, trust=forge.trust, policy=policy)
    assert verdict.state == "trusted"
    assert verdict.findings[-1].outcome == "passed"
    assert verdict.text == safegen.verify(path, trust=forge.trust).text
    unknown = safegen.verify(path, policy=policy)
    assert (unknown.state, unknown.text) == (
        "invalid",
        "Your policy newsroom refuses it: known: We know who signed it.",
    )


def test_a_policy_makes_nothing_better_and_hides_no_other_reason(media, policy, put):
    path = put(media["image/png"])
    before, after = (safegen.verify(path, policy=each) for each in (None, policy))
    assert (before.state, after.state, after.text) == ("unsigned", "unsigned", before.text)
    assert after.findings[-1].outcome == "failed"


def test_what_is_made_from_has_a_policy_s_facts(forge, media, put, made):
    path = put(forge.signed(ingredients=[("plain.png", media["image/png"])]))
    known = told(safegen.verify(path, trust=forge.trust))
    assert (known["file.ingredients"], known["file.unsigned_ingredients"]) == (1, 1)
    assert known["file.time_stamped"] is False
    own = told(safegen.verify(made.outputs / "0001.png", trust=made.root))
    assert own["file.trusted"] is True


def test_a_policy_without_a_rule_for_files_is_no_use_for_them(forge, policy, put):
    path = put(forge.signed())
    with pytest.raises(PolicyError, match="policy baseline has no rule for the publish stage"):
        safegen.verify(path, policy="baseline")
    policy.write_text(SOUND.replace("declared_broken", "declared_brokn"))
    with pytest.raises(PolicyError, match=r"did you mean file\.declared_broken"):
        safegen.verify_tree([path], policy=policy)


def test_a_policy_for_files_alone_lets_nothing_be_made(policy, made, tmp_path):
    loaded = publishing_policy(policy)
    assert {rule.stage for rule in loaded.rules} == {"publish"}
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db", "policy": policy}
    with pytest.raises(PolicyError, match="none for the request stage"):
        safegen.load(made.model, **own)


def test_the_command_asks_every_file(forge, broken, policy, put):
    paths = [
        put(forge.signed(), "a.png"),
        put(forge.signed(ingredients=[("broken.png", broken)]), "b.png"),
    ]
    command = [sys.executable, "-m", "safegen", "verify", *paths, "--trust", forge.trust]
    command += ["--policy", policy, "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert [each["state"] for each in json.loads(done.stdout)] == ["trusted", "invalid"]


PLACE = """
name: place
description: Only where we may.
rules:
  - {id: eu, stage: publish, require: '"EU" in deployment.jurisdictions', because: In the EU alone.}
"""


def test_several_policies_must_all_allow_with_a_deployment(forge, policy, put, tmp_path):
    path = put(forge.signed())
    (tmp_path / "place.yaml").write_text(PLACE)
    (tmp_path / "eu.yaml").write_text("jurisdictions: [EU]\n")
    (tmp_path / "us.yaml").write_text("jurisdictions: [US]\n")
    both = {"trust": forge.trust, "policy": [policy, tmp_path / "place.yaml"]}
    told = {
        name: safegen.verify(path, **both, deployment=tmp_path / name)
        for name in ("eu.yaml", "us.yaml")
    }
    assert told["eu.yaml"].state == "trusted"
    assert "newsroom + place" in told["eu.yaml"].findings[-1].text
    assert told["us.yaml"].state == "invalid"
    assert "place/eu: In the EU alone." in told["us.yaml"].text
    assert "is not known; name a deployment file" in safegen.verify(path, **both).text
    with pytest.raises(InputError, match="name a policy, too"):
        safegen.verify(path, deployment=tmp_path / "eu.yaml")
    command = [sys.executable, "-m", "safegen", "verify", path, "--trust", forge.trust]
    command += ["--policy", policy, "--policy", tmp_path / "place.yaml"]
    command = [*map(str, command), "--deployment", str(tmp_path / "us.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "In the EU alone" in done.stdout
