"""Codes are a promise: each has a meaning, is given by a step, and is in the documentation."""

import re
from pathlib import Path

import pytest

from safegen.verification.c2pa_messages import WORDS, of_another, phrase, phrases
from safegen.verification.reason_codes import CODES, STEPS, step_of
from safegen.verification.steps import order

ROOT = Path(__file__).resolve().parents[2]
IN_WORDS = {
    "passed": "passed",
    "warned": "warned",
    "failed": "failed",
    "not_checked": "not checked",
}
PUBLISH = "publish"  # no numbered step: what a reader's own policy says at the end
GENERAL = {"unfinished", "skipped"}  # of every step, and told in a sentence


def documented():
    text = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(safegen\.[a-z.-]+)` \| ([a-z ]+) \| (.+) \|$", text, re.MULTILINE)


def test_the_documented_codes_are_all_codes_and_say_what_they_mean():
    own = {code: each for code, each in CODES.items() if code.split(".")[2] not in GENERAL}
    assert documented() == [
        (code, IN_WORDS[meaning.outcome], meaning.text) for code, meaning in own.items()
    ]


def test_every_code_is_given_somewhere_and_no_other():
    folder = ROOT / "safegen" / "verification"
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
        if path.name != "reason_codes.py"
    )
    used = set(re.findall(r'"(safegen\.[a-z]+\.[a-z-]+)"', source))
    own = {code for code in CODES if code.split(".")[2] not in GENERAL}
    assert used == own


def test_every_code_names_its_step():
    assert {step_of(code) for code in CODES} == {*STEPS, PUBLISH}
    assert len(order.ALL) == len(STEPS)
    assert all(f"safegen.{step}.unfinished" in CODES for step in STEPS)


@pytest.mark.parametrize("code", WORDS)
def test_words_fit_into_sentences(code):
    assert WORDS[code].startswith("its ")
    assert not WORDS[code].endswith(".")
    assert of_another({code: ""}).startswith("whose ")


def test_a_code_without_words_is_shown_with_its_explanation():
    told = phrase("assertion.of.tomorrow", "the moon does not match")
    assert "the moon does not match" in told
    assert "assertion.of.tomorrow" in told
    assert "assertion.of.tomorrow" in phrase("assertion.of.tomorrow", "")


def test_each_reason_is_told_once_and_a_stamp_only_where_nothing_else_is_wrong():
    two = {"assertion.dataHash.mismatch": "a", "assertion.bmffHash.mismatch": "b"}
    assert phrases(two) == "its content is not what was signed"
    both = {"timeStamp.mismatch": "a", "claimSignature.mismatch": "b"}
    assert phrases(both) == "its signature does not fit its manifest"
    assert "time-stamp" in phrases({"timeStamp.mismatch": "a"})
