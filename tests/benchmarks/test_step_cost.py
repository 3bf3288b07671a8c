"""What privacy costs a training step: ratios to the same step without it, in one run.

Every round runs each way once, and a ratio is the median over rounds of a way's time over that of
its neighbour in the same round, so that what else the machine does hits all alike.
"""

import copy
import itertools
import platform
import statistics
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from safegen.models.generator import one_hot
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution, Mode
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import lattice
from safegen.privacy.mechanism.noise import secure_generator
from safegen.privacy.mechanism.sampling import SampledUnits
from safegen.schemas.card import DataCard, PictureShape
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset

pytestmark = pytest.mark.benchmark

RECORDS, SIDE, CLASSES = 60_000, 28, 10
BATCHES = (512, 2048)
NETWORKS = {"discriminator": "gan", "VAE": "vae"}
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
ROUNDS = {"cpu": 13, "cuda": 21}
LARGE_BASE = 12  # of a VAE with about 200,000 parameters
CANARIES = 1000
MODES = get_args(Mode)
CASES = list(itertools.product(NETWORKS, BATCHES))

FASHION = DataCard(
    name="fashion-mnist",
    source="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    count=RECORDS,
    shape=PictureShape(channels=1, height=SIDE, width=SIDE),
    classes=tuple(f"class {number}" for number in range(CLASSES)),
    digest="sha256:0",
    units=RECORDS,
    public=True,
)


def objective(family, base=None):
    chosen = preset(family, FASHION, 8.0, prior="none")
    shape = chosen.architecture
    shape = shape if base is None else shape.model_copy(update={"base": base})
    kind = VaeObjective if family == "vae" else GanObjective
    return kind(shape, chosen.recipe)


def rows(made, batch, device):
    """As many records as a step has, random ones, and nothing beside them."""
    onehot = one_hot(torch.arange(batch) % CLASSES, CLASSES)
    vae = isinstance(made, VaeObjective)
    last = torch.randn(batch, made._architecture.latent) if vae else -torch.ones(batch)
    return tuple(part.to(device) for part in (torch.rand(batch, 1, SIDE, SIDE), onehot, last))


def plain_step(network, losses, parts, batch):
    """The step that ordinary training takes."""
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        (losses(network, *parts).sum() / batch).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def private_step(network, losses, parts, batch, mode="book-keeping", canaries=None):
    """The engine's whole step for a draw of exactly `batch` records."""
    network, device = copy.deepcopy(network), parts[0].device
    plan = PrivacyPlan(
        epsilon=8.0,
        delta=1e-6,
        units=RECORDS,
        expected_batch_size=batch,
        steps=1000,
        clipping_norm=1.0,
        noise_multiplier=1.0,
    )
    settings = Settings(
        execution=Execution(mode=mode), processes=Processes(device=device), canaries=canaries
    )
    optimizer = torch.optim.Adam(network.parameters())
    engine = PrivateEngine(network, plan, optimizer, settings=settings)
    heard = np.arange(0)
    if canaries is not None:  # as many as enter a step on average
        heard = canaries.numbers[: round(len(canaries.numbers) * plan.sampling_probability)]
    draw = SampledUnits(rows=np.arange(batch), canaries=heard)
    return lambda: engine.step(draw, parts, losses)


def seconds(work, device):
    """How long some work takes, with whatever it started on the GPU."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def attempt(work, *arguments):
    """What it gives, or its error's name: a way that fails leaves that in the table."""
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error).__name__


def timed(ways, device):
    """Seconds of each way, round by round, or why it failed."""
    taken = {name: way if isinstance(way, str) else [] for name, way in ways.items()}
    for number in range(ROUNDS[device] + 1):
        for name, way in ways.items():
            if isinstance(taken[name], str):
                continue
            each = attempt(seconds, way, device)
            if isinstance(each, str):
                taken[name] = each
            elif number:  # the first round warms up
                taken[name].append(each)
    return taken


def ratio(over, under):
    if isinstance(over, str):
        return over
    return f"{statistics.median(a / b for a, b in zip(over, under, strict=True)):.2f}"


def milliseconds(taken):
    return f"{1000 * statistics.median(taken):.1f}"


def print_table(title, *table):
    head, *body = ([str(cell) for cell in row] for row in table)
    lines = [head, ["---"] * len(head), *body]
    print(f"\n{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))


def machine():
    names = {"cpu": platform.machine()}
    if Path("/proc/cpuinfo").exists():
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names["cpu"] = next((s.split(": ")[1] for s in info if s.startswith("model name")), "CPU")
    if "cuda" in DEVICES:
        names["cuda"] = torch.cuda.get_device_name()
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads; " + "; ".join(
        f"{device}: {name}" for device, name in names.items()
    )


def step_costs(name, batch, device):
    made = objective(NETWORKS[name])
    network = made.private.to(device)
    given = network, made.losses, rows(made, batch, device), batch
    ways = {"plain": plain_step(*given)}
    ways |= {mode: attempt(private_step, *given, mode) for mode in MODES}
    taken = timed(ways, device)
    ratios = (ratio(taken[mode], taken["plain"]) for mode in MODES)
    return device, name, batch, milliseconds(taken["plain"]), *ratios


def noise_shares(device):
    batch, made = BATCHES[0], objective("vae", LARGE_BASE)
    network = made.private.to(device)
    count = sum(p.numel() for p in network.parameters())
    assert 0.95 < count / 200_000 < 1.05
    grid = lattice(clipping_norm=1.0, noise_multiplier=1.0, dimensions=count)
    generator = secure_generator()
    summed = generator.standard_normal(count)
    points = grid.points(summed)
    ways = {
        "points": lambda: grid.points(summed),
        "noise": lambda: points + grid.noise(count, generator),
        "values": lambda: grid.values(points),
        "all three": lambda: grid.values(grid.points(summed) + grid.noise(count, generator)),
        "step": private_step(network, made.losses, rows(made, batch, device), batch),
    }
    taken = timed(ways, device)
    *parts, step = taken.values()
    shares = (
        f"{statistics.median(a / b for a, b in zip(part, step, strict=True)):.1%}" for part in parts
    )
    return device, count, batch, milliseconds(step), *shares


def canary_costs(name, batch, device):
    made = objective(NETWORKS[name])
    network = made.private.to(device)
    given = network, made.losses, rows(made, batch, device), batch
    canaries = Canaries(CANARIES).to(device)
    ways = {"without": private_step(*given), "with": private_step(*given, canaries=canaries)}
    taken = timed(ways, device)
    cost = ratio(taken["with"], taken["without"])
    return device, name, batch, milliseconds(taken["without"]), cost


@pytest.mark.parametrize("device", DEVICES)
def test_a_private_step_over_a_plain_one(device):
    torch.manual_seed(0)
    head = "device", "network", "batch", "plain, ms", *MODES
    table = [step_costs(name, batch, device) for name, batch in CASES]
    print_table(f"A private step over a plain one. {machine()}", head, *table)


@pytest.mark.parametrize("device", DEVICES)
def test_the_share_of_the_noise(device):
    torch.manual_seed(0)
    head = "device", "parameters", "batch", "step, ms", "points", "noise", "values", "all three"
    print_table(f"The noise's share of a private step. {machine()}", head, noise_shares(device))


@pytest.mark.parametrize("device", DEVICES)
def test_a_step_with_canaries_over_one_without(device):
    torch.manual_seed(0)
    head = "device", "network", "batch", "without, ms", f"with {CANARIES}"
    table = [canary_costs(name, batch, device) for name, batch in CASES]
    print_table(f"A private step with canaries over one without. {machine()}", head, *table)
