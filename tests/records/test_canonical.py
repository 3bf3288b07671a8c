import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from safegen.records.canonical import canonical_bytes, digest
from safegen.records.card import DataCard, Shape, published
from safegen.records.certificate import Gaussian, PoissonSubsampledGaussian
from safegen.records.decision import Decision, RuleFinding

findings = st.builds(
    RuleFinding,
    rule=st.text(min_size=1),
    outcome=st.sampled_from(["passed", "failed", "error"]),
    text=st.text(),
)
decisions = st.builds(
    Decision,
    policy=st.text(),
    policy_digest=st.text(),
    stage=st.sampled_from(["request", "release"]),
    allowed=st.booleans(),
    findings=st.lists(findings, max_size=3).map(tuple),
)


@given(decisions)
def test_a_record_survives_its_canonical_bytes(decision):
    assert Decision.model_validate_json(canonical_bytes(decision)) == decision


@given(decisions)
def test_key_order_does_not_change_the_digest(decision):
    shuffled = dict(reversed(json.loads(canonical_bytes(decision)).items()))
    assert digest(Decision.model_validate(shuffled)) == digest(decision)


def test_records_are_frozen_and_know_their_fields():
    event = Gaussian(noise_multiplier=1.0)
    with pytest.raises(ValidationError):
        event.noise_multiplier = 2.0
    with pytest.raises(ValidationError):
        Gaussian(noise_multiplier=1.0, extra=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_noise_multiplier_is_finite_and_positive(value):
    with pytest.raises(ValidationError):
        Gaussian(noise_multiplier=value)


@pytest.mark.parametrize("q", [0.0, 1.5, -0.1])
def test_a_sampling_probability_is_one(q):
    with pytest.raises(ValidationError):
        PoissonSubsampledGaussian(sampling_probability=q, noise_multiplier=1.0, count=1)


def card(**changes):
    fields = {
        "name": "cats",
        "source": "here",
        "licence": "CC0-1.0",
        "count": 10,
        "shape": Shape(channels=1, height=28, width=28),
        "classes": ("cat",),
        "digest": "sha256:00",
        "units": 10,
    }
    return DataCard(**(fields | changes))


def test_a_private_card_leaves_with_a_commitment_that_only_the_salt_opens():
    private = card()
    one, other = published(private, b"a" * 32), published(private, b"b" * 32)
    assert one.digest.startswith("salted-sha256:")
    assert one.digest != other.digest
    assert published(private, b"a" * 32) == one


def test_a_public_card_keeps_its_digest():
    assert published(card(public=True), b"a" * 32).digest == "sha256:00"
