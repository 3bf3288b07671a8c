"""Whatever the facts, a decision is made; what is missing never allows, nor does what is worse."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safegen.policy.facts import Facts
from safegen.policy.guard import decide
from safegen.policy.load import load_policies, load_policy, shipped_policies
from safegen.policy.vocabulary import types_at
from safegen.schemas.decision import LETS_PASS

TEXTS = (
    "",
    "public",
    "internal",
    "a study",
    "2026-08-01",
    "2027-01-01",
    "none",
    "operating system",
)
TEXTS += ("http://x/trainedAlgorithmicMedia", "research: x", "lesson: x", "group", "record", "\0")
PLACES = (("EU",), ("US-CA", "KR"), ("world",), ("CN", "IN"), (), ("Atlantis",))
NUMBERS = (0.0, 0.04, 1.0, 8.0, 50.0, -1.0, float("nan"), float("inf"), 1e300)
AT_ONCE = 100  # fact sets an example; hypothesis has the seeds


@pytest.fixture(scope="module")
def every():
    return load_policies(shipped_policies())


@pytest.fixture(scope="module")
def packs():
    return [load_policy(name) for name in shipped_policies()]


def value(kind, dice):
    if kind is bool:
        return dice.random() < 0.7
    if kind is int:
        return dice.choice((-1, 0, 1, 50, 2_000_000, 2**62))
    if kind is float:
        return dice.choice(NUMBERS)
    return dice.choice(TEXTS if kind is str else PLACES)


def some_facts(policy, dice, missing=0.05):
    """Facts as `facts_at` would make them: what is no number is not known."""
    stage = dice.choice(sorted({rule.stage for rule in policy.rules}))
    known = {
        name: value(kind, dice)
        for name, kind in types_at(stage, policy.more).items()
        if dice.random() > missing
    }
    known = {
        name: told
        for name, told in known.items()
        if not isinstance(told, float) or abs(told) < float("inf")
    }
    sworn = {rule.key: "somebody" for rule in policy.rules if dice.random() < 0.8}
    return Facts(stage=stage, known=known, attested=sworn)


@settings(max_examples=100)  # of AT_ONCE fact sets each
@given(seed=st.integers(0, 2**64))
def test_no_facts_raise_and_none_that_lack_one_allow(packs, seed):
    dice = random.Random(seed)
    for _ in range(AT_ONCE):
        policy = dice.choice(packs)
        facts = some_facts(policy, dice)
        decision = decide(policy, facts)
        rules = {rule.id: rule for rule in policy.rules}
        for finding in decision.findings:
            rule = rules.get(finding.rule)
            if rule and finding.outcome == "passed":
                assert rule.facts <= facts.known.keys()
        stopped = any(each.outcome not in LETS_PASS for each in decision.findings)
        assert decision.allowed == (not stopped)
        assert len(decision.findings) >= sum(rule.stage == facts.stage for rule in policy.rules)


GOOD = {
    "deployment.jurisdictions": ("EU",),
    "time.date": "2026-11-28",
    "certificate.recomputed": True,
    "certificate.attacked": True,
    "certificate.epsilon": 8.0,
    "certificate.lower_bound": 0.5,
    "manifest.signed": True,
    "manifest.source_type": "http://x/trainedAlgorithmicMedia",
    "manifest.time_stamped": True,
    "marks.watermark": True,
    "marks.fingerprint": True,
    "marks.label": True,
    "explanation.made": True,
    "explanation.faithfulness.completeness_gap": 0.01,
    "output.screens.contrast": 0.3,
    "output.icon_scale": False,
    "request.purpose": "research: a study",
    "request.count": 1,
    "deployment.placed_on_market": "2026-09-01",
    "deployment.exposure": "internal",
    "deployment.is_deepfake": False,
    "deployment.is_artistic": False,
    "deployment.detector": "https://example.org",
    "data.licence": "MIT",
    "data.source": "x",
}
MONOTONE = {  # from better to worse
    "certificate.epsilon": (1.0, 4.0, 8.0, 11.0, 50.0),
    "certificate.lower_bound": (0.0, 0.5, 9.0, 60.0),
    "certificate.recomputed": (True, False),
    "certificate.attacked": (True, False),
    "manifest.signed": (True, False),
    "manifest.time_stamped": (True, False),
    "marks.watermark": (True, False),
    "marks.label": (True, False),
    "explanation.made": (True, False),
    "explanation.faithfulness.completeness_gap": (0.0, 0.04, 0.06, 1.0),
    "output.screens.contrast": (0.4, 0.06, 0.03, 0.015, 0.0),
    "request.count": (1, 40, 50, 100),
    "deployment.is_deepfake": (False, True),
    "deployment.exposure": ("internal", "public"),
}


@settings(max_examples=100)
@given(data=st.data())
def test_facts_that_are_better_never_turn_an_allowance_into_a_refusal(every, data):
    """One by one: what passes with the worse fact passes with the better one."""
    name = data.draw(st.sampled_from(sorted(MONOTONE)))
    known = GOOD | {
        other: data.draw(st.sampled_from(steps), label=other) for other, steps in MONOTONE.items()
    }
    worse = data.draw(st.integers(1, len(MONOTONE[name]) - 1))
    before, after = (MONOTONE[name][place] for place in (worse - 1, worse))
    for stage in ("request", "release"):
        types = types_at(stage, every.more)
        said = [
            decide(every, Facts(stage=stage, known={k: v for k, v in told.items() if k in types}))
            for told in (known | {name: before}, known | {name: after})
        ]
        for better, poorer in zip(*(each.findings for each in said), strict=True):
            assert better.outcome == "passed" or poorer.outcome != "passed", poorer.rule


def test_all_at_once_and_one_by_one_say_the_same(every):
    """The short cut is taken when all conditions hold; it says what each rule says."""
    from safegen.policy.expression import activation

    sworn = {rule.key: "somebody" for rule in every.rules}
    known = GOOD | {"request.label": 1, "request.label_name": "one", "request.actor": "ada"}
    small = load_policies(["baseline", "eu-ai-act-art50", "eu-ai-act-art5"])
    for stage in ("request", "release"):
        told = {k: v for k, v in known.items() if k in types_at(stage, small.more)}
        told |= {"deployment.shows_people": False}
        facts = Facts(stage=stage, known=old_names(told), attested=sworn)
        decision = decide(small, facts)
        assert decision.allowed, [f for f in decision.findings if f.outcome != "passed"]
        slow = activation(facts.known, stage, small.more)
        one_by_one = [rule.judge(facts, slow) for rule in small.rules if rule.stage == stage]
        assert list(decision.findings) == one_by_one


def old_names(known):
    from safegen.policy.facts_file import in_both_spellings

    return in_both_spellings(known)
