"""Presets: network, recipe and plan settings from what is public about a data set.

They depend on the number of records, the pictures' shape and the family, never on the records.
They were chosen on scikit-learn's digits and Fashion-MNIST, both public.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.records.config import Architecture, Family, Recipe

if TYPE_CHECKING:
    from safegen.records.card import DataCard

SMALL = 10_000  # records, below which the latent prior needs more of the budget
REFERENCE_NUMBERS = 28 * 28  # in a picture of MNIST
REFERENCE_COUNT, REFERENCE_BATCH = 1800, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Where a run starts from, unless its caller says otherwise.

    Attributes:
        architecture: of the networks.
        recipe: what does not affect epsilon.
        expected_batch_size: records in a step, on average.
        steps: private steps.
        clipping_norm: L2 bound on one record's gradient.
        release_share: of the budget, for the latent prior.
    """

    architecture: Architecture
    recipe: Recipe
    expected_batch_size: int
    steps: int
    clipping_norm: float
    release_share: float


def preset(family: Family, card: DataCard) -> Preset:
    """The preset of one family for a data set's public card."""
    return _vae(card) if family == "vae" else _gan(card)


def _vae(card: DataCard) -> Preset:
    latent, small = 16, card.count < SMALL
    return Preset(
        architecture=_architecture("vae", card, latent=latent, base=8),
        recipe=Recipe(
            learning_rate=3e-3,
            generator_rate=None,
            betas=(0.9, 0.999),
            loss_scale=20 * _relative_size(card),
            beta=0.5,
            average_decay=0.98,
            latent_radius=1.5 * math.sqrt(latent),  # codes of N(0, I) have norm sqrt(latent)
            generator_rows=0,
            discriminator_steps=1,
        ),
        expected_batch_size=_batch(card.count),
        steps=500 if small else 600,
        clipping_norm=1.0,
        release_share=0.3 if small else 0.15,
    )


def _gan(card: DataCard) -> Preset:
    batch = _batch(card.count)
    return Preset(
        architecture=_architecture("gan", card, latent=16, base=16),
        recipe=Recipe(
            learning_rate=1e-3,
            generator_rate=5e-4,
            betas=(0.5, 0.99),
            loss_scale=1.0,
            beta=0.0,
            average_decay=0.98,
            latent_radius=1.0,
            generator_rows=batch,
            discriminator_steps=1,
        ),
        expected_batch_size=batch,
        steps=500 if card.count < SMALL else 600,
        clipping_norm=1.0,
        release_share=0.0,
    )


def _batch(count: int) -> int:
    """256 at 1,800 records, 1,024 at 60,000: slower than the data grows, so that steps stay cheap.

    >>> [_batch(count) for count in (20, 1_797, 60_000, 1_000_000)]
    [20, 256, 1024, 1024]
    """
    batch = round(REFERENCE_BATCH * math.pow(count / REFERENCE_COUNT, 0.4))
    return min(max(64, min(1024, batch)), count)


def _architecture(family: Family, card: DataCard, *, latent: int, base: int) -> Architecture:
    return Architecture(
        family=family,
        channels=3 if card.shape.channels == 3 else 1,
        height=card.shape.height,
        width=card.shape.width,
        classes=len(card.classes),
        latent=latent,
        base=base,
    )


def _relative_size(card: DataCard) -> float:
    """Numbers in a picture, relative to MNIST's: a summed loss grows with them."""
    shape = card.shape
    return round(shape.channels * shape.height * shape.width / REFERENCE_NUMBERS, 3)
