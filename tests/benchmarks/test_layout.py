"""What channels-last weights and torch.compile give a step of the VAE that is trained, in one run.

Each round takes every way once, and a ratio is the median over rounds. Networks are channels-last
already, so that the plain way is the one that is made here.
"""

import copy
import statistics
import time

import numpy as np
import pytest
import torch

from safegen.models.generator import one_hot
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.sampling import SampledUnits
from safegen.schemas.card import DataCard, PictureShape
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset
from safegen.training.pretraining import BATCH_PICTURES, negative_bound

pytestmark = pytest.mark.benchmark

ROUNDS = 9
CLASSES = 10
CASES = {
    "MNIST, epsilon 1": ("mnist", 1, 28, 1.0),
    "MNIST, epsilon 10": ("mnist", 1, 28, 10.0),
    "Fashion-MNIST, epsilon 10": ("fashion-mnist", 1, 28, 10.0),
    "RGB of 64 pixels, epsilon 10": ("others", 3, 64, 10.0),
}


def card(name, channels, side):
    return DataCard(
        name=name, source="https://example.org", licence="MIT", count=60_000, units=60_000,
        shape=PictureShape(channels=channels, height=side, width=side),
        classes=tuple(f"class {number}" for number in range(CLASSES)), digest="sha256:0",
        public=True,
    )  # fmt: skip


def rows(made, count):
    pictures = torch.rand(count, made.shape.channels, made.shape.height, made.shape.width)
    return (
        pictures,
        one_hot(torch.arange(count) % CLASSES, CLASSES),
        torch.randn(count, made.latent),
    )


def private_step(network, losses, parts, rows=None):
    count = len(parts[0])
    plan = PrivacyPlan(
        epsilon=8.0, delta=1e-6, units=60_000, expected_batch_size=count, steps=1000,
        clipping_norm=1.0, noise_multiplier=1.0,
    )  # fmt: skip
    settings = Settings(execution=Execution(micro_batch=rows))
    engine = PrivateEngine(network, plan, torch.optim.Adam(network.parameters()), settings=settings)
    draw = SampledUnits(rows=np.arange(count), canaries=np.arange(0))
    return lambda: engine.step(draw, parts, losses)


def plain_step(network, optimizer, parts):
    def step():
        optimizer.zero_grad()
        negative_bound(network, *parts, 0.5).mean().backward()
        optimizer.step()

    return step


def pretraining_step(network, parts, *, compiled=False):
    optimizer = torch.optim.Adam(network.parameters())
    return plain_step(torch.compile(network) if compiled else network, optimizer, parts)


def ratios(ways):
    """Median milliseconds of the first way, and every way's time over it."""
    taken = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:  # the first round warms up, and compiles
                taken[name].append(time.perf_counter() - started)
    first = next(iter(taken.values()))
    return 1000 * statistics.median(first), {
        name: statistics.median(a / b for a, b in zip(each, first, strict=True))
        for name, each in taken.items()
    }


def contiguous(network):
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format)


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("case", CASES)
def test_what_layout_and_compiling_give(case):
    name, channels, side, epsilon = CASES[case]
    chosen = preset("vae", card(name, channels, side), epsilon)
    made = VaeObjective(chosen.architecture, chosen.recipe)
    drawn, shown = (
        rows(chosen.architecture, n) for n in (chosen.expected_batch_size, BATCH_PICTURES)
    )
    network = made.private
    private = {
        "contiguous": private_step(contiguous(network), made.losses, drawn),
        "channels-last": private_step(copy.deepcopy(network), made.losses, drawn),
        "and 256 rows at a time": private_step(copy.deepcopy(network), made.losses, drawn, 256),
    }
    pretraining = {
        "contiguous": pretraining_step(contiguous(network), shown),
        "channels-last": pretraining_step(copy.deepcopy(network), shown),
        "compiled": pretraining_step(contiguous(network), shown, compiled=True),
        "both": pretraining_step(copy.deepcopy(network), shown, compiled=True),
    }
    for step, ways in (("private", private), ("pretraining", pretraining)):
        first, each = ratios(ways)
        told = ", ".join(f"{way} {taken:.2f}" for way, taken in each.items())
        print(f"\n| {case} | {step} | {first:.0f} ms | {told} |")
