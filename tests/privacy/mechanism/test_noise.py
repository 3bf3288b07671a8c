"""A stream of noise gives nothing twice: not to a copy, not to a fork, not to a resumed run."""

import copy
import io
import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from randomgen import AESCounter
from torch import nn

from safegen.audit.repetition import repetitions
from safegen.errors import PlanError
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.mechanism import noise
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.noise import generator_for, secure_generator

WAYS_OUT = {
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "torch.save": lambda stream: torch.save(stream, io.BytesIO()),
    "bit_generator": lambda stream: stream.bit_generator,
    "state": lambda stream: stream._bit_generator.state,
    "set state": lambda stream: setattr(stream._bit_generator, "state", {}),
    "pickled counter": lambda stream: pickle.dumps(stream._bit_generator),
    "copied counter": lambda stream: copy.deepcopy(stream._bit_generator),
    "jumped": lambda stream: stream._bit_generator.jumped(),
    "advance": lambda stream: stream._bit_generator.advance(-1),
    "spawn": lambda stream: stream.spawn(1),
    "seed sequence": lambda stream: stream._bit_generator.seed_seq,
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize(
    "make", [secure_generator, lambda: generator_for(1, "latents", np.arange(3))]
)
def test_no_state_comes_out_of_a_stream(make, way):
    with pytest.raises(PlanError, match="the state of a secret stream stays in it"):
        WAYS_OUT[way](make())


def test_an_engine_cannot_be_copied_with_its_stream():
    engine = made_engine()
    with pytest.raises(PlanError, match="stays in it"):
        pickle.dumps(engine._sampler)
    with pytest.raises(PlanError, match="stays in it"):
        copy.deepcopy(engine._optimizer._noise)


def test_the_numbers_are_those_of_aes():
    ours, theirs = secure_generator(5), np.random.Generator(AESCounter(key=5))
    assert (ours.standard_normal(1000) == theirs.standard_normal(1000)).all()
    assert (ours.random((3, 4)) == theirs.random((3, 4))).all()
    drawn = ours.standard_normal((2, 3), dtype=np.float32)
    assert (drawn == theirs.standard_normal((2, 3), dtype=np.float32)).all()
    assert "SecretStream" in str(ours) == repr(ours)


def _drawn(stream, told):
    try:
        told.put(float(stream.standard_normal()))
    except PlanError as error:
        told.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_draws_nothing_from_its_parent_s_stream():
    context = multiprocessing.get_context("fork")
    stream, told = secure_generator(), context.Queue()
    child = context.Process(target=_drawn, args=(stream, told))
    child.start()
    assert "was forked" in told.get(timeout=30)
    child.join()
    assert isinstance(stream.standard_normal(), float)


# Lives


def made_engine(steps_before=0, units=500):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 700), nn.ReLU(), nn.Linear(700, 1))
    plan = PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=units, expected_batch_size=20, steps=100, clipping_norm=1.0,
        noise_multiplier=1.0,
    )  # fmt: skip
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    settings = Settings(canaries=Canaries(100))
    return PrivateEngine(network, plan, optimizer, settings=settings, steps_before=steps_before)


def lived(engine, steps=4):
    """All the noise of some steps, in deviations, and who was drawn."""
    heard, drawn = [], []
    with pytest.MonkeyPatch.context() as patch:
        whole = Lattice.noise

        def listening(self, count, generator):
            heard.append(whole(self, count, generator))
            return heard[-1]

        patch.setattr(Lattice, "noise", listening)
        for _ in range(steps):
            draw = engine.draw()
            drawn.append(draw.rows)
            rows = torch.randn(len(draw.rows), 3)
            engine.step(draw, (rows,), lambda network, rows: network(rows).square().squeeze(1))
    return np.concatenate(heard) * engine.lattice.spacing / engine.lattice.deviation, drawn


def lives():
    """The first, and two that went on from the same place."""
    return [lived(made_engine()), lived(made_engine(4)), lived(made_engine(4))]


def test_two_steps_two_layers_and_two_lives_share_no_noise_and_no_draw():
    parts = lives()
    whole = np.concatenate([heard for heard, _ in parts])
    assert min(each.p_value for each in repetitions(whole)) > 1e-6
    draws = [tuple(rows) for _, drawn in parts for rows in drawn]
    assert len(set(draws)) == len(draws)


def test_streams_that_come_back_would_be_seen(monkeypatch):
    """The same two lives, with the fault that a restored stream would be."""
    monkeypatch.setattr(
        "safegen.privacy.mechanism.engine.secure_generator", lambda: secure_generator(7)
    )
    parts = lives()
    whole = np.concatenate([heard for heard, _ in parts])
    assert min(each.p_value for each in repetitions(whole)) < 1e-6
    assert tuple(parts[1][1][0]) == tuple(parts[2][1][0])


def test_every_stream_has_a_key_of_its_own(monkeypatch):
    """Noise, sampling and latent noise: no two of a process draw from one stream."""
    keys = []
    fresh = noise.new_key
    monkeypatch.setattr(noise, "new_key", lambda: keys.append(fresh()) or keys[-1])
    for _ in range(3):
        made_engine()
    assert len(keys) == 6
    assert len(set(keys)) == 6
