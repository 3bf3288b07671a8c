"""Training an extractor: `python -m safegen.marks.train small --out small.safetensors`.

    1. Pictures are drawn, cut from public photographs, or taken from a public data set.
    2. A random word is written into each, as `safegen.marks.writing` does, the fainter the longer.
    3. They are distorted, and the network learns to read the words; the carriers learn with it.

One seed gives one extractor, digest for digest, on one kind of processor and release of torch. No
records of anybody are looked at but published ones, so no privacy is spent.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from safegen import storage
from safegen.errors import SafegenError
from safegen.marks.designs import LARGE, SMALL
from safegen.marks.distortions import distorted
from safegen.marks.drawing import drawn, garments, photographed
from safegen.marks.networks import ExtractorNetwork, brightness_of
from safegen.marks.writing import Canvas, root_mean_square_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safegen.marks.designs import Design

LEARNING_RATE = 3e-3
CARRIERS_FASTER = 5  # times the learning rate
LEAST_SHARE = 0.03  # of the learning rate, at the end of its cosine
WARM_UP = 200  # steps until it has its full height
FIRST_DISTORTED = 100  # steps of pictures as they are
FIRST_INFORMED = 300  # steps before the extractor is asked how to write
FULLY_MOVED = 0.2  # share of the training, until pictures are moved as far as they will be
FAINTEST_AT = 0.5  # share of the training, when marks are as faint as they will be
TOLD_EVERY = 100  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an extractor is trained.

    Attributes:
        design: what it is.
        widths: channels of its convolutions.
        first_kernel: side of its first kernel.
        carrier_side: numbers a side of a carrier.
        sides: of the pictures; each step takes one of them by chance.
        batch: pictures a step.
        steps: of the optimiser.
        psnr: dB of the first marks and of the last.
        photographs: share of the pictures that are cut from photographs.
        garments: share of the pictures that come from the data set, where one is given.
    """

    design: Design
    widths: tuple[int, ...]
    first_kernel: int
    carrier_side: int
    sides: tuple[int, ...]
    batch: int
    steps: int
    psnr: tuple[float, float]
    photographs: float
    garments: float


RECIPES = {
    "small": Recipe(
        design=SMALL,
        widths=(16, 32, 48, 64),
        first_kernel=3,
        carrier_side=12,
        sides=(28, 28, 28, 32),
        batch=96,
        steps=5000,
        psnr=(30.0, 36.0),
        photographs=0.125,
        garments=0.4,
    ),
    "large": Recipe(
        design=LARGE,
        widths=(24, 40, 56, 80),
        first_kernel=5,
        carrier_side=24,
        sides=(64, 64, 64, 96, 128),
        batch=48,
        steps=2600,
        psnr=(30.0, 37.0),
        photographs=0.5,
        garments=0.0,
    ),
}


def train(
    recipe: Recipe,
    *,
    seed: int = 0,
    public: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> ExtractorNetwork:
    """Train an extractor and its carriers.

    Args:
        recipe: how.
        seed: of everything random.
        public: an idx file of public pictures, compressed; Fashion-MNIST's of the training split.
        tell: told how far it is.

    Raises:
        DataError: the file is no idx file of pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # of the network's first weights
    network = ExtractorNetwork(
        recipe.design,
        widths=recipe.widths,
        first_kernel=recipe.first_kernel,
        carrier_side=recipe.carrier_side,
    )
    weights = [each for name, each in network.named_parameters() if name != "carriers"]
    optimizer = torch.optim.Adam([{"params": weights}, {"params": [network.carriers]}])
    smooth = math.log(2)
    for step in range(recipe.steps):
        _set_rate(optimizer, step, recipe.steps)
        pictures = _pictures(recipe, public, generator)
        loss = _loss(network, recipe, step, pictures, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        smooth = 0.98 * smooth + 0.02 * float(loss.detach())
        if step % TOLD_EVERY == 0 or step == recipe.steps - 1:
            tell(f"step {step:,} of {recipe.steps:,}: loss {smooth:.3f}")
    return network.requires_grad_(requires_grad=False).eval()


def _loss(
    network: ExtractorNetwork,
    recipe: Recipe,
    step: int,
    pictures: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    share = step / recipe.steps
    bits = torch.randint(2, (len(pictures), recipe.design.word_bits), generator=generator).float()
    first, last = recipe.psnr
    psnr = first + (last - first) * min(1.0, share / FAINTEST_AT)
    canvas = Canvas(network, pictures, root_mean_square_of(psnr))
    passes = 0 if step < FIRST_INFORMED else 1 if share < FAINTEST_AT else 2
    marked = brightness_of(canvas.marked(canvas.amplitudes(bits * 2 - 1, passes)))
    marked = marked + (marked.round() - marked).detach()
    if step > FIRST_DISTORTED:
        marked = distorted(marked, generator, hard=min(1.0, share / FULLY_MOVED))
    return functional.binary_cross_entropy_with_logits(network(marked), bits)


def _pictures(recipe: Recipe, public: Path | None, generator: torch.Generator) -> torch.Tensor:
    """A batch of all kinds, in random order."""
    side = recipe.sides[int(torch.randint(len(recipe.sides), (), generator=generator))]
    cut = round(recipe.photographs * recipe.batch)
    given = 0 if public is None else round(recipe.garments * recipe.batch)
    parts = [drawn(recipe.batch - cut - given, side, generator), photographed(cut, side, generator)]
    if public is not None and given:
        parts.append(garments(public, given, side, generator))
    return torch.cat(parts)[torch.randperm(recipe.batch, generator=generator)]


def _set_rate(optimizer: torch.optim.Optimizer, step: int, steps: int) -> None:
    fall = LEAST_SHARE + (1 - LEAST_SHARE) * (1 + math.cos(math.pi * step / steps)) / 2
    rate = LEARNING_RATE * min(1, (step + 1) / WARM_UP) * fall
    weights, carriers = optimizer.param_groups
    weights["lr"], carriers["lr"] = rate, CARRIERS_FASTER * rate


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; says the digest that `safegen.marks.designs` is to pin."""
    parser = argparse.ArgumentParser(
        prog="python -m safegen.marks.train", description="Train an extractor of marks."
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--public", type=Path, help="Fashion-MNIST's train-images-idx3-ubyte.gz, or one like it"
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order
    try:
        network = train(RECIPES[given.recipe], seed=given.seed, public=given.public, tell=_say)
        data = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
        storage.write(given.out, data)
    except SafegenError as error:
        _say(f"error: {error}")
        return error.exit_code
    _say(f"{given.out}: SHA-256 {hashlib.sha256(data).hexdigest()}")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
