"""A checkpoint is whole or absent, and says what may have run."""

import json
import os
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from safegen.errors import DataError, StorageError
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.schemas.config import Architecture, Recipe
from safegen.training import checkpoint
from safegen.training.checkpoint import RunFacts, Standing

PLAN = PrivacyPlan(
    epsilon=8.0, delta=1e-4, units=1000, expected_batch_size=100, steps=50,
    clipping_norm=1.0, noise_multiplier=1.5, unit="group", records_per_unit=3,
)  # fmt: skip


@pytest.fixture
def standing():
    facts = RunFacts(
        plan=PLAN,
        token="t",
        data_digest="sha256:00",
        grouping="sha256:01",
        architecture=Architecture(
            family="vae", channels=1, height=28, width=28, classes=2, latent=4, base=4
        ),
        recipe=Recipe(
            learning_rate=0.1, generator_rate=None, betas=(0.9, 0.99), loss_scale=1.0, beta=1.0,
            average_decay=0.9, latent_radius=2.0, generator_rows=0, discriminator_steps=1,
        ),
        seed=3,
        canaries=100,
        release_key="ab" * 16,
    )  # fmt: skip
    return Standing(facts=facts, counted=20, claimed=40, events=PLAN.step_events(40))


def test_it_holds_weights_and_events_in_one_file(tmp_path, standing):
    path = tmp_path / checkpoint.NAME
    tensors = {"private/w": torch.randn(3, 4), "average/updates": torch.tensor(7)}
    checkpoint.keep(path, standing, tensors)
    assert list(tmp_path.iterdir()) == [path]
    found, held = checkpoint.read(path)
    assert found == standing
    assert found.facts.plan == PLAN
    assert found.events[0].count == 40
    assert torch.equal(held["private/w"], tensors["private/w"])
    assert int(held["average/updates"]) == 7


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("noise/state", torch.zeros(4)),
        ("draws/generator", torch.zeros(4, dtype=torch.int64)),
        ("objective/secret", torch.zeros(4)),
        ("rng", torch.get_rng_state()),
        ("private/w", torch.zeros(4, dtype=torch.int64)),
        ("average/updates", torch.zeros(4, 4, dtype=torch.int64)),
        ("optimizer/0.rng", torch.zeros(4)),
        ("reference", torch.zeros(5056, dtype=torch.uint8)),
        ("canaries/key", torch.zeros(16, dtype=torch.bool)),
    ],
)
def test_what_is_neither_weights_nor_counts_is_neither_written_nor_read(
    tmp_path, standing, monkeypatch, name, tensor
):
    """The state of a stream, under whatever name: a run that took it up would repeat its noise."""
    path = tmp_path / checkpoint.NAME
    with pytest.raises(DataError, match=f"{name} is nothing that a checkpoint holds"):
        checkpoint.keep(path, standing, {"private/w": torch.zeros(2), name: tensor})
    assert not path.exists()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_require_known", lambda *_: None)
        checkpoint.keep(path, standing, {name: tensor})
    with pytest.raises(DataError, match="is nothing that a checkpoint holds"):
        checkpoint.read(path)


def test_a_run_that_0_1_began_goes_on_under_its_plan(standing):
    """Which called the same neighbours otherwise, and knew of no draw how many were in it."""
    said = json.loads(standing.model_dump_json())
    said["facts"]["plan"]["neighbours"] = "add_or_remove_one"
    del said["releases"]
    found = Standing.model_validate_json(json.dumps(said))
    assert found.facts.plan == standing.facts.plan
    assert found.facts.plan.neighbours == "zero_out_one"


def test_nothing_unknown_fits_into_its_words(standing):
    for record in (standing, standing.facts):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            type(record).model_validate(record.model_dump() | {"noise_state": "00"})


def test_it_is_for_its_owner_only(tmp_path, standing):
    path = tmp_path / checkpoint.NAME
    checkpoint.keep(path, standing, {})
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_one_is_refused_wherever_it_is_damaged(tmp_path, standing):
    path = tmp_path / checkpoint.NAME
    checkpoint.keep(path, standing, {"private/w": torch.zeros(10)})
    whole = path.read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"not a checkpoint"):
            checkpoint.read(path)
    path.write_bytes(b"\xff" * 8 + whole[8:])
    with pytest.raises(DataError):
        checkpoint.read(path)


def test_a_plan_in_it_is_checked_like_any_other(tmp_path, standing):
    path = tmp_path / checkpoint.NAME
    checkpoint.keep(path, standing, {})
    whole = path.read_bytes()
    shuffled = whole.replace(b'poisson\\"', b'shuffle\\"', 1)
    assert shuffled != whole
    path.write_bytes(shuffled)
    with pytest.raises(DataError):
        checkpoint.read(path)


HOLDER = """
import sys
from pathlib import Path
from safegen.training import checkpoint
with checkpoint.exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_folder_is_trained_in_by_one_process_until_it_dies(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StorageError, match="another process"), checkpoint.exclusive_lock(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with checkpoint.exclusive_lock(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="cannot"), checkpoint.exclusive_lock(tmp_path):
        pass
