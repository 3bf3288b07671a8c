"""Configurations refuse nonsense when they are made, in one sentence that names the field."""

import dataclasses
import inspect

import numpy as np
import pytest

import safegen
from safegen import (
    EvaluationConfig,
    Execution,
    InputError,
    PrivacyConfig,
    TrainingConfig,
    Workspace,
)
from safegen.cli.settings import texts_of
from safegen.config.privacy import MAX_RECORDS_PER_GROUP, RECORDS_PER_GROUP

CONFIGURATIONS = [PrivacyConfig, TrainingConfig, Execution, EvaluationConfig, Workspace]
NONSENSE = [
    (PrivacyConfig, "epsilon", 0, "finite number above 0"),
    (PrivacyConfig, "epsilon", float("nan"), "finite number above 0"),
    (PrivacyConfig, "epsilon", float("inf"), "finite number above 0"),
    (PrivacyConfig, "epsilon", "8", "give a number"),
    (PrivacyConfig, "epsilon", True, "give a number"),
    (PrivacyConfig, "delta", 0, "less than 1/n"),
    (PrivacyConfig, "delta", 1, "less than 1/n"),
    (PrivacyConfig, "delta", 1e-13, "1e-12 or more"),
    (PrivacyConfig, "noise_multiplier", 0.01, "from 0.05 to 1e+06"),
    (PrivacyConfig, "noise_multiplier", float("nan"), "from 0.05"),
    (PrivacyConfig, "records_per_group", 0, "1 to 1000"),
    (PrivacyConfig, "records_per_group", MAX_RECORDS_PER_GROUP + 1, "1 to 1000"),
    (PrivacyConfig, "canaries", 99, "0 for none, or 100 to 100,000"),
    (PrivacyConfig, "canaries", 100_001, "0 for none"),
    (PrivacyConfig, "unsafe_seeded_noise", 1.5, "give a whole number or None"),
    (TrainingConfig, "family", "vea", "choose vae or gan"),
    (TrainingConfig, "family", None, "give 'vae' or 'gan'"),
    (TrainingConfig, "steps", 0, "from 1 to 10,000,000"),
    (TrainingConfig, "steps", 2.5, "give a whole number or None"),
    (TrainingConfig, "expected_batch_size", 0, "1 or more"),
    (TrainingConfig, "pretraining", 3, "a name, a path or a data set"),
    (TrainingConfig, "warm_start", "hot", "choose auto, moments or none"),
    (TrainingConfig, "seed", -1, "from 0 to 2^53 - 1"),
    (TrainingConfig, "seed", 2**53, "from 0 to 2^53 - 1"),
    (Execution, "device", "abacus", "choose auto, cpu or cuda"),
    (Execution, "mode", "fast", "choose book-keeping"),
    (Execution, "micro_batch", 0, "1 row or more"),
    (Execution, "precision", "fp8", "choose float32, tf32 or bf16"),
    (EvaluationConfig, "protocol", "slow", "choose quick or dpimagebench"),
    (EvaluationConfig, "networks", "wrn", "several in a list"),
    (EvaluationConfig, "augment", "flip", "choose affine or none"),
    (EvaluationConfig, "count", 19, "20 or more"),
    (EvaluationConfig, "seeds", 0, "one or more"),
    (EvaluationConfig, "seed", -1, "0 or more"),
    (EvaluationConfig, "device", "tpu", "choose auto, cpu or cuda"),
    (Workspace, "keys", "", "name a place"),
    (Workspace, "ledger", "  ", "name a place"),
    (Workspace, "budget", 3, "give"),
    (Workspace, "timestamp_url", "stamps.example", "http:// or https://"),
    (Workspace, "keys", "a\0b", "NUL byte"),
]


@pytest.mark.parametrize(("sort", "field", "value", "words"), NONSENSE)
def test_nonsense_is_refused_by_the_fields_name(sort, field, value, words):
    with pytest.raises(InputError) as told:
        sort(**{field: value})
    sentence = str(told.value)
    assert field in sentence
    assert words in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("sort", CONFIGURATIONS)
def test_every_field_is_tried_and_described_once(sort):
    fields = {each.name for each in dataclasses.fields(sort)}
    assert fields == {name for each, name, *_ in NONSENSE if each is sort}
    assert set(texts_of(sort)) == fields


@pytest.mark.parametrize("sort", CONFIGURATIONS)
def test_a_configuration_is_frozen_and_given_by_name_alone(sort):
    kinds = {each.kind for each in inspect.signature(sort).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    name = dataclasses.fields(sort)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(sort(), name, 1)


def test_numpys_numbers_become_pythons():
    made = PrivacyConfig(epsilon=np.float32(4), canaries=np.int64(200))
    assert (type(made.epsilon), type(made.canaries)) == (float, int)


def test_texts_say_the_defaults_that_stand_elsewhere():
    assert f"; {RECORDS_PER_GROUP} by default" in texts_of(PrivacyConfig)["records_per_group"]


def test_they_are_all_at_hand():
    for sort in CONFIGURATIONS:
        assert getattr(safegen, sort.__name__) is sort
        assert sort.__name__ in safegen.__all__
