"""How far one record can move a step's sum: a bound that is proved, beside what really happens.

The proof (decision 37) takes one thing for granted: that what a network makes of one row does not
depend on the others' content, to the last bit. That is looked at here, on every device that is
there and in every precision; so is the sum as a whole, for batches of any size.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from safegen.data.sources import load
from safegen.models.gan import Discriminator
from safegen.models.vae import ConditionalVAE
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.clipping import arithmetic
from safegen.privacy.clipping.arithmetic import FLOAT32_ROUNDOFF, bound, gamma
from safegen.privacy.clipping.layer_gradients import RULES
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import ARITHMETIC_ALLOWANCE
from safegen.privacy.mechanism.sampling import ABSENT_ROW, SampledUnits
from safegen.training.presets.registry import preset

NORM = 0.05  # so small that every record is clipped, which makes the sum as long as it can be
WIDEST = 1024  # channels of a layer, and more positions than any below it takes the Gram way for
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
PRECISIONS = ["float32", "bf16"]
FAMILIES = ["gan", "vae"]


def discriminator_losses(net, pictures, onehot, _):
    return functional.softplus(-net(pictures, onehot))


def vae_losses(net, pictures, onehot, noise):
    logits, mean, log_variance = net(pictures, onehot, noise)
    misfit = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="none")
    return misfit.flatten(1).sum(1) + (mean.square() + log_variance.square()).sum(1)


class Step:
    """Clipped sums of a step on digits, of any draw of its rows."""

    def __init__(self, family, batch, *, device="cpu", precision="float32", mode="book-keeping"):
        torch.manual_seed(0)
        data = load("digits", size=28)
        chosen = preset(family, data.card, 8.0, prior="none")
        made = chosen.architecture
        self.losses = discriminator_losses if family == "gan" else vae_losses
        network = (
            Discriminator(made.shape, base=made.base, classes=made.classes)
            if family == "gan"
            else ConditionalVAE(made)
        ).to(device)
        plan = PrivacyPlan(
            epsilon=8.0, delta=1e-6, units=10 * batch, expected_batch_size=batch, steps=10,
            clipping_norm=NORM, noise_multiplier=1.0,
        )  # fmt: skip
        self.engine = PrivateEngine(
            network,
            plan,
            torch.optim.SGD(network.parameters(), lr=0.0),
            settings=Settings(
                execution=Execution(
                    mode=mode, precision=precision, micro_batch=4096 if batch > 8192 else None
                ),
                processes=Processes(device=torch.device(device)),
            ),
        )
        rows = np.random.default_rng(0).integers(len(data), size=batch)
        parts = (
            torch.from_numpy(data.images[rows]).float() / 255,
            functional.one_hot(torch.from_numpy(data.labels[rows]), 10).float(),
            torch.randn(batch, chosen.architecture.latent),
        )
        self.parts = tuple(part.to(device) for part in parts)

    def sum(self, rows, parts=None):
        """Of the rows by their numbers, (d,), float64; `ABSENT_ROW` for an empty place."""
        draw = SampledUnits(rows=rows, canaries=np.arange(0))
        sums = self.engine.clipped_sums(draw, parts or self.parts, self.losses)
        return torch.cat([sums[p].flatten() for p in self.engine.network.parameters() if p in sums])

    def empty(self, place):
        """The same draw in which one record is not there."""
        rows = np.arange(len(self.parts[0]))
        rows[place] = ABSENT_ROW
        return rows

    def whole(self):
        return self.sum(np.arange(len(self.parts[0])))

    def alone(self, place):
        """The record's own clipped gradient: all other places are empty."""
        rows = np.full(len(self.parts[0]), ABSENT_ROW)
        rows[place] = place
        return self.sum(rows)

    def excess(self, places, whole):
        """How far the sum errs from moving by a record's own clipped gradient when its place is
        empty, in clipping norms; in whatever direction."""
        return max(
            float((whole - self.sum(self.empty(place)) - self.alone(place)).norm()) / NORM
            for place in places
        )

    def excess_without(self, places, whole):
        """When there is no place: all rows after it move up into other blocks and chunks."""
        batch, furthest = len(self.parts[0]), 0.0
        for place in places:
            kept = [row for row in range(batch) if row != place]
            fewer = self.sum(np.arange(batch - 1), tuple(part[kept] for part in self.parts))
            furthest = max(furthest, float((whole - fewer - self.alone(place)).norm()) / NORM)
        return furthest


# The bound


def test_the_bound_is_within_the_allowance_for_every_network():
    assert bound(1) < bound(WIDEST) < 0.3 * ARITHMETIC_ALLOWANCE


def test_the_bound_is_higham_s():
    """A sum of n terms and products errs by at most gamma_n of their sizes."""
    assert gamma(34, FLOAT32_ROUNDOFF) == pytest.approx(34 * 2**-24, rel=1e-5)
    assert (
        2 * gamma(34, FLOAT32_ROUNDOFF) * 32
        < bound(1)
        < 2 * gamma(34, FLOAT32_ROUNDOFF) * 32 + 2e-5
    )


floats = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)


@given(
    rows=st.lists(st.lists(floats, min_size=3, max_size=3), min_size=1, max_size=70),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_weighted_sum_keeps_its_bound_whatever_the_numbers(rows, seed):
    """In exact fractions; the factors' own rounding is one of the terms."""
    factors = torch.from_numpy(np.random.default_rng(seed).random(len(rows)))
    held = torch.tensor(rows, dtype=torch.float32)
    found = arithmetic.weighted_sum(factors, held)
    assert found.dtype == torch.float64
    for column in range(3):
        terms = [
            Fraction(f) * Fraction(x)
            for f, x in zip(factors.tolist(), held[:, column].tolist(), strict=True)
        ]
        error = abs(Fraction(found[column].item()) - sum(terms))
        assert error <= Fraction(gamma(arithmetic.BLOCK_UNITS + 2, FLOAT32_ROUNDOFF)) * sum(
            map(abs, terms)
        )


@given(
    numbers=st.lists(floats, min_size=1, max_size=600),
)
def test_a_norm_is_hardly_too_small(numbers):
    """Apart from numbers so small that their squares are nothing in 32 bits."""
    rows = torch.tensor([numbers], dtype=torch.float32)
    rows[rows.abs() < 1e-18] = 0.0
    (found,) = arithmetic.squared_norms(rows).tolist()
    true = math.sqrt(sum(Fraction(x) ** 2 for x in rows[0].tolist()))
    assert math.sqrt(found) >= true * (1 - gamma(arithmetic.STRETCH_NUMBERS + 2, FLOAT32_ROUNDOFF))


def test_blocks_are_of_their_size_whatever_the_batch(monkeypatch):
    """Thousands of units of like numbers: 32 bits alone would lose all of the last ones."""
    rows = torch.full((3 * 4096 + 5, 2), 2.0**12)
    rows[:, 1] = 1 + 2.0**-20
    exact = rows.double().sum(0)
    found = arithmetic.weighted_sum(torch.ones(len(rows), dtype=torch.float64), rows)
    assert ((found - exact).abs() <= gamma(32, FLOAT32_ROUNDOFF) * exact).all()
    assert float((found - exact).abs().max()) < 1e-2


def test_positions_that_cancel_leave_no_more_than_the_bound_says():
    """A thousand times what is left of their sum: then 64 bits are what keeps the bound."""
    torch.manual_seed(0)
    layer, units, positions = nn.Linear(128, 128, bias=False), 8, 32
    alike = 1000 * torch.randn(units, positions // 2, 128)
    slopes = torch.randn(units, positions // 2, 128)
    seen = torch.cat([alike, alike + torch.randn_like(alike)], dim=1)
    slopes = torch.cat([-slopes, slopes], dim=1)
    from safegen.privacy.clipping.layer_gradients import Scratch

    sums = RULES[nn.Linear](layer, seen, slopes, 1, Scratch())
    each = torch.einsum("upo,upd->uod", slopes.double(), seen.double())
    assert (sums.squares >= each.flatten(1).square().sum(1) * (1 - 1e-12)).all()
    factors = 1 / sums.squares.sqrt()
    (found,) = sums.weigh(factors)
    exact = torch.einsum("u,uod->od", factors, each)
    assert float((found - exact).norm()) < units * 1e-8


# What the proof takes for granted, and what really happens


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_place_changes_nothing_of_the_other_rows(family, precision, device):
    """To the last bit, whatever would have been there: a record, or one that is far louder."""
    step = Step(family, 96, device=device, precision=precision)
    place = 40
    rows = step.empty(place)
    first = step.sum(rows)
    for other in (1.0, 1e3):
        parts = tuple(part.clone() for part in step.parts)
        parts[0][place] = other
        parts[2][place] = other
        assert torch.equal(step.sum(rows, parts), first)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_record_moves_the_sum_by_no_more_than_the_bound(family, precision, device):
    step = Step(family, 600, device=device, precision=precision)
    whole = step.whole()
    assert step.excess(range(0, 600, 150), whole) <= bound(WIDEST)
    assert step.excess_without(range(0, 600, 300), whole) <= ARITHMETIC_ALLOWANCE / 4
    assert float(step.alone(7).norm()) / NORM <= 1 + bound(WIDEST)


@pytest.mark.parametrize("mode", ["hooks", "functorch", "ghost"])
def test_so_it_is_in_opacus_modes(mode):
    step = Step("gan", 600, mode=mode)
    whole = step.whole()
    assert step.excess(range(0, 600, 300), whole) <= ARITHMETIC_ALLOWANCE / 4


def test_it_does_not_grow_with_the_batch():
    """32 bits alone would use more than the whole allowance at this size."""
    step = Step("gan", 8192)
    whole = step.whole()
    assert step.excess((5000,), whole) <= bound(WIDEST)
    assert step.excess_without((0,), whole) <= ARITHMETIC_ALLOWANCE / 10


@pytest.mark.benchmark
def test_how_much_of_the_allowance_is_used():
    print("\nIn parts of the allowance:\n")
    print("| network | batch | device | precision | an empty place | no place |")
    print("| --- | --- | --- | --- | --- | --- |")
    for family in FAMILIES:
        for batch in (512, 4096, 8192, 60_000):
            for device in DEVICES:
                for precision in PRECISIONS:
                    step = Step(family, batch, device=device, precision=precision)
                    whole, places = step.whole(), (0, batch // 3)
                    empty, none = (
                        f"{excess(places, whole) / ARITHMETIC_ALLOWANCE:.2%}"
                        for excess in (step.excess, step.excess_without)
                    )
                    print(f"| {family} | {batch} | {device} | {precision} | {empty} | {none} |")
