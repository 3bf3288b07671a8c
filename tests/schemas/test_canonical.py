import json

import hypothesis
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from safegen.schemas.canonical import Record, canonical_bytes, canonical_fields, digest, join_fields
from safegen.schemas.card import DataCard, PictureShape, published
from safegen.schemas.certificate import Gaussian, PoissonSubsampledGaussian
from safegen.schemas.decision import Decision, RuleFinding

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
        "shape": PictureShape(channels=1, height=28, width=28),
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


class Anything(Record):
    """A record with values of every sort, under names of every sort."""

    values: list[float | int | str | bool | None]
    named: dict[str, float]


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1).map(float),
    st.floats(1e-9, 1e-3),
    st.floats(1e14, 1e23),
    st.sampled_from([0.0, -0.0, 1e-6, 1e-7, 1e16, 1e20, 1e21, 5e-324, 2.0**53, -7e-6, 0.1]),
)
values = st.one_of(
    numbers, st.integers(-(2**53) + 1, 2**53 - 1), st.text(), st.none(), st.booleans()
)


@hypothesis.settings(max_examples=500)
@given(st.builds(Anything, values=st.lists(values), named=st.dictionaries(st.text(), numbers)))
def test_the_quick_way_writes_what_the_library_writes(record):
    expected = rfc8785.dumps(record.model_dump(mode="json"))
    assert canonical_bytes(record) == expected
    assert join_fields(canonical_fields(record)) == expected
    fields = canonical_fields(record)
    assert fields["values"] == rfc8785.dumps(record.model_dump(mode="json")["values"])


@pytest.mark.parametrize(
    "text", ["\x00", "\\u0000", '"\x001.5\x00"', "a\n\x7f/\\", "\ud7ff\U0001f600"]
)
def test_texts_that_look_like_marks(text):
    record = Anything(values=[text, 1.5], named={text: 1e-7})
    assert canonical_bytes(record) == rfc8785.dumps(record.model_dump(mode="json"))


@pytest.mark.parametrize("number", [2**53 + 2, 10**15, 10**16, -(10**30)])
def test_integers_that_are_too_long_are_the_library_s_business(number):
    record = Anything(values=[number], named={})
    try:
        expected = rfc8785.dumps(record.model_dump(mode="json"))
    except rfc8785.IntegerDomainError:
        with pytest.raises(rfc8785.IntegerDomainError):
            canonical_bytes(record)
    else:
        assert canonical_bytes(record) == expected
