"""What a preset is, for whatever kind of data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safegen.privacy.accounting.plan import Purpose, Share
    from safegen.schemas.config import Architecture, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Where a run starts from, unless its caller says otherwise.

    Attributes:
        architecture: of the networks.
        recipe: what does not affect epsilon.
        expected_batch_size: records in a step, on average.
        steps: private steps.
        clipping_norm: L2 bound on one record's gradient.
        shares: of the budget, for releases.
    """

    architecture: Architecture
    recipe: Recipe
    expected_batch_size: int
    steps: int
    clipping_norm: float
    shares: tuple[Share, ...]


def purposes_of(architecture: Architecture, recipe: Recipe) -> tuple[Purpose, ...]:
    """What a run of a preset releases, in the order of its plan (`_shares`)."""
    warm = recipe.prior is not None or recipe.warm_start is not None
    if architecture.family == "gan" and not warm:
        return ()
    made: list[tuple[Purpose, bool]] = [
        ("basis", recipe.warm_start is not None),
        ("classes", recipe.warm_start is not None),
        ("judge", architecture.judged),
        ("latents", True),
        ("components", architecture.components > 1),
        ("grain", architecture.grain),
    ]
    return tuple(purpose for purpose, does in made if does)
