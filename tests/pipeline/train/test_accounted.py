"""Nothing is published that no step and no release accounts for, and no stream is ever written."""

import numpy as np
import pytest
import torch

import safegen
from safegen import storage
from safegen.errors import TrainingError
from safegen.models.generator import LatentGenerator
from safegen.pipeline.train.tensor_sources import SOURCES, require_accounted
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism import noise
from safegen.schemas.config import Architecture
from safegen.training import checkpoint


def architecture(**changes):
    fields = {
        "family": "vae", "channels": 1, "height": 28, "width": 28, "classes": 2, "latent": 4,
        "base": 8, "components": 2, "grain": True, "judged": True, "weighted": True,
    }  # fmt: skip
    return Architecture(**(fields | changes))


def planned(*purposes):
    return PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=1000, expected_batch_size=100, steps=5, clipping_norm=1.0,
        noise_multiplier=1.0,
        releases=tuple(DpRelease(purpose=each, noise_multiplier=5.0) for each in purposes),
    )  # fmt: skip


def touched(made, *names):
    generator = LatentGenerator(made)
    for name, tensor in generator.state_dict().items():
        if name.startswith("decoder.") or name in names:
            tensor.add_(0.5)
    return generator


def test_every_buffer_of_every_generator_has_a_source():
    generator = LatentGenerator(architecture())
    parameters = {name for name, _ in generator.named_parameters()}
    assert all(name.startswith("decoder.") for name in parameters)
    assert generator.state_dict().keys() - parameters == set(SOURCES)


@pytest.mark.parametrize("made", [architecture(), architecture(components=1, judged=False)])
def test_what_steps_and_planned_releases_made_is_published(made):
    names = [name for name in SOURCES if name in LatentGenerator(made).state_dict()]
    require_accounted(touched(made, *names), made, planned("latents", "grain", "judge"))
    require_accounted(touched(made), made, planned())


@pytest.mark.parametrize("name", SOURCES)
def test_what_changed_without_its_release_is_not(name):
    others = {"latents", "grain", "judge"} - {SOURCES[name]}
    with pytest.raises(TrainingError, match=f"tensor {name} is not accounted for.*{SOURCES[name]}"):
        require_accounted(touched(architecture(), name), architecture(), planned(*others))


@pytest.mark.parametrize("where", ["decoder", "prior", ""])
def test_a_buffer_that_nobody_knows_is_not(where):
    """Such as the mean picture of the records, kept to make the first ones look better."""
    generator = touched(architecture())
    (getattr(generator, where) if where else generator).register_buffer("mean", torch.rand(3))
    with pytest.raises(TrainingError, match=r"mean is not accounted for.*nothing is published"):
        require_accounted(generator, architecture(), planned("latents", "grain", "judge"))


def test_training_asks(made, tmp_path, monkeypatch):
    from safegen.training.objectives.vae import VaeObjective

    finish = VaeObjective.finish

    def leaking(self, *arguments, **named):
        generator = finish(self, *arguments, **named)
        generator.prior.register_buffer("sizes", torch.tensor([178.0, 182.0]))
        return generator

    monkeypatch.setattr(VaeObjective, "finish", leaking)
    monkeypatch.setattr("safegen.pipeline.train.run.rehearse", lambda *_, **__: None)
    with pytest.raises(TrainingError, match=r"prior\.sizes is not accounted for"):
        small(tmp_path, made)
    assert not (tmp_path / "model" / "weights.safetensors").exists()


# Streams


def places(folder, made):
    return safegen.Workspace(
        keys=made.keys, ledger=folder / "ledger.db", budget=folder / "budget.db"
    )


def small(folder, made, family="vae"):
    return safegen.train(
        safegen.load_data("digits", size=28),
        out=folder / "model",
        privacy=safegen.PrivacyConfig(canaries=100),
        training=safegen.TrainingConfig(
            family=family, steps=45, expected_batch_size=20, pretraining="none"
        ),
        workspace=places(folder, made),
    )


def forms(key):
    """How the bytes of a key may stand in a file."""
    raw = key.to_bytes(16, "big")
    halves = np.array([key & (2**64 - 1), key >> 64], dtype=np.uint64)
    return [
        raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), str(key).encode(),
        *(str(half).encode() for half in halves), *(half.tobytes() for half in halves),
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["vae", "gan"])
def test_no_file_ever_holds_a_stream(made, tmp_path, monkeypatch, capfd, model):
    """Every byte that an interrupted and resumed run writes, beside every key that it drew from."""
    keys, written = [], []
    stream, whole = noise.SecretStream, storage.write_parts

    class Watched(stream):
        def __init__(self, key):
            keys.append(key)
            super().__init__(key)

    def watched(path, parts, **how):
        parts = list(parts)
        written.append((path.name, b"".join(parts)))
        return whole(path, parts, **how)

    monkeypatch.setattr(noise, "SecretStream", Watched)
    monkeypatch.setattr(storage, "write_parts", watched)
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it trains, too
        patch.setattr("safegen.training.loop.Training._finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small(tmp_path, made, model)
    standing, _ = checkpoint.read(tmp_path / "model" / checkpoint.NAME)
    records = safegen.load_data("digits", size=28)
    safegen.resume(tmp_path / "model", records, workspace=places(tmp_path, made))

    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    written += [(path.name, path.read_bytes()) for path in left]
    written.append(("the terminal", "".join(capfd.readouterr()).encode()))
    names = {name for name, _ in written}
    assert {checkpoint.NAME, "weights.safetensors", "config.json", "budget.db"} <= names
    assert len(set(keys)) > 8
    for name, data in written:
        assert not any(form in data for key in set(keys) for form in forms(key)), name

    release = int(standing.facts.release_key, 16)  # of releases, which are made once for each
    assert release not in keys  # statistic and name (`noise.generator_for`)
    told = {name for name, data in written if any(form in data for form in forms(release))}
    assert told == {checkpoint.NAME}
