"""What channels-last and torch.compile would give a VAE's plain step, in one run."""

import statistics
import time

import pytest
import torch

from safegen.models.vae import ConditionalVAE
from safegen.records.config import Architecture
from safegen.training.pretraining import negative_bound

pytestmark = pytest.mark.benchmark

ROWS, LATENT, ROUNDS = 1024, 32, 7
MADE = Architecture(
    family="vae", channels=1, height=28, width=28, classes=10, latent=LATENT, base=16,
    conditional=False,
)  # fmt: skip


def seconds(network, pictures):
    """The median of a forward and backward pass, after a first one."""
    nobody, noise = torch.zeros(ROWS, MADE.classes), torch.randn(ROWS, LATENT)
    taken = []
    for _ in range(ROUNDS + 1):
        network.zero_grad()
        started = time.perf_counter()
        negative_bound(network, pictures, nobody, noise, 0.5).mean().backward()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_what_layout_and_compiling_would_give():
    pictures = torch.rand(ROWS, 1, 28, 28)
    plain = seconds(ConditionalVAE(MADE), pictures)
    last = ConditionalVAE(MADE).to(memory_format=torch.channels_last)
    rows = {
        "channels-last": seconds(last, pictures.contiguous(memory_format=torch.channels_last)),
        "torch.compile": seconds(torch.compile(ConditionalVAE(MADE)), pictures),
    }
    print(f"\n| a step of {ROWS:,} rows | over a plain one |\n| --- | --- |")
    for name, taken in rows.items():
        print(f"| {name} | {taken / plain:.2f} |")
