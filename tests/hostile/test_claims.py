"""Statements that are expensive to check, or that promise more than they hold."""

import json

import pytest
from pydantic import ValidationError

from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting import recompute
from safegen.schemas.certificate import (
    MAX_EVENT_KINDS,
    Gaussian,
    PoissonSubsampledGaussian,
    PrivacyCertificate,
)


def steps(probability, noise, count):
    return PoissonSubsampledGaussian(
        sampling_probability=probability, noise_multiplier=noise, count=count
    )


@pytest.fixture
def certificate(made):
    return PrivacyCertificate.model_validate_json((made.model / "certificate.json").read_bytes())


@pytest.fixture
def computed(monkeypatch, tmp_path):
    """Which numbers the accountant was asked for, in which precision."""
    monkeypatch.setenv("SAFEGEN_CACHE", str(tmp_path))
    asked = []
    for name in ("epsilon_of", "rough_epsilon_of"):
        monkeypatch.setattr(accounting, name, lambda *_, name=name: asked.append(name) or 1.0)
    return asked


@pytest.mark.parametrize(
    ("events", "asked"),
    [
        ((steps(1e-4, 1.0, 10**7),), ["epsilon_of"]),  # two minutes, in coarse bins
        ((steps(3e-3, 1.0, 10**7),), ["epsilon_of"]),
        ((steps(0.01, 1.0, 10**7),), []),
        ((steps(1.0, 0.05, 10**7),), []),
        ((Gaussian(noise_multiplier=0.05, count=10**7),), []),
        ((steps(0.3, 2.0, 4000),), ["rough_epsilon_of", "epsilon_of"]),
        ((steps(0.28, 1.7, 240),), ["epsilon_of"]),
    ],
)
def test_what_is_senseless_is_never_computed(certificate, computed, events, asked):
    """And nothing rough is computed where it would take longer than the exact number."""
    claim = certificate.model_copy(update={"events": events})
    recompute.recomputed_epsilon(claim)
    assert computed == asked


def test_a_bound_on_the_loss_is_a_bound_on_epsilon():
    """The short cut is right: loss and ln(1/delta) are never less than epsilon."""
    for events in ((steps(0.28, 1.7, 240),), (steps(1e-3, 1.0, 10**6),), (steps(0.5, 3.0, 50),)):
        for delta in (1e-3, 1e-8):
            epsilon = accounting.epsilon_of(events, delta)
            assert epsilon <= recompute._rough_loss(events) - recompute.math.log(delta)


@pytest.mark.parametrize(
    "change",
    [
        {"events": []},
        {"events": [{"event": "gaussian", "noise_multiplier": 3.0, "count": 10**9}]},
        {"events": [{"event": "gaussian", "noise_multiplier": 1e-9}]},
        {"events": [{"event": "gaussian", "noise_multiplier": 3.0}] * (MAX_EVENT_KINDS + 1)},
        {"events": [{"event": "laplace", "noise_multiplier": 3.0}]},
        {"delta": 0.0},
        {"epsilon": float("nan")},
        {"units": 0},
    ],
)
def test_what_no_run_would_say_cannot_be_read(certificate, change):
    with pytest.raises(ValidationError):
        PrivacyCertificate.model_validate(certificate.model_dump(mode="json") | change)


def test_a_request_for_all_the_memory(made, model, tmp_path):
    """`safegen explain --model` makes the whole batch again, of a size that a stranger states."""
    from safegen.errors import InputError
    from safegen.pipeline.explain import made_again, read_explained

    explained = read_explained(made.outputs / "0001.png")
    assert made_again(explained, made.model).agrees
    for change in ({"count": 10**12}, {"count": 1, "index": 1}):
        request = explained.request.model_copy(update=change)
        asked = type(explained)(
            request=request,
            explanation=explained.explanation,
            attributions=explained.attributions,
            stored=explained.stored,
            modality=explained.modality,
        )
        with pytest.raises(InputError, match="made up"):
            made_again(asked, made.model)


def test_a_receipt_that_is_all_depth_or_all_path(made, tmp_path):
    import shutil

    import safegen

    for name in ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, tmp_path)
    receipt = tmp_path / "0001.receipt.json"
    whole = json.loads(receipt.read_bytes())
    endless = {  # more certificates than needed are no fault, only ballast
        "deep": "[" * 1_000_000,
        "path": json.dumps(whole | {"proof": whole["proof"] | {"path": ["00" * 32] * 50_000}}),
        "size": json.dumps(whole | {"proof": whole["proof"] | {"tree_size": 10**4000}}),
        "chain": json.dumps(
            whole
            | {
                "signature": whole["signature"]
                | {"chain": whole["signature"]["chain"] * (4_000_000 // 2000)}
            }
        ),
    }
    for name, text in endless.items():
        receipt.write_text(text)
        state = safegen.verify(tmp_path / "0001.png", trust=made.root).state
        assert state == ("trusted" if name == "chain" else "invalid"), name
