"""Other regions than a modality's grid: connected areas, any masks, groups of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from scipy import ndimage

from safegen.errors import InputError
from safegen.modality.regions import Regions
from safegen.schemas.explanation import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.modality.base import Modality

VALUE_LEVELS = 3  # of values: dark, between, bright
SMALLEST_SHARE = 0.02  # of a sample's values, below which an area is no segment of its own


@dataclass(frozen=True, slots=True)
class _Divided:
    """A kind of data with other regions; all else is the kind's own."""

    whole: Modality
    own: Regions

    def regions(self) -> Regions:
        return self.own

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the kind has
        return getattr(self.whole, name)


def divided(modality: Modality, masks: NDArray[np.bool_]) -> Modality:
    """The kind of data with regions of one's own, for any method and any score.

    Args:
        modality: the kind.
        masks: (regions, *dimensions), bool: which values belong to each.

    Raises:
        InputError: the masks are of another shape, or one is empty.
    """
    if masks.shape[1:] != modality.dimensions or not len(masks):
        raise InputError(
            f"masks of regions have the shape (regions, {', '.join(map(str, modality.dimensions))})"
        )
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    if not flat.any(axis=1).all():
        raise InputError("a region holds no value; leave it out")
    weights = flat / flat.sum(axis=1, keepdims=True)
    regions = Regions(grid=Grid(rows=1, columns=len(masks)), weights=weights)
    return cast("Modality", _Divided(modality, regions))


def segments(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Connected areas of like values, the largest first; what is too small goes together.

    Args:
        values: (*dimensions), one sample in [0, 1].

    Returns:
        (segments, *dimensions), bool; every value belongs to one.
    """
    low, high = float(values.min()), float(values.max())
    level = np.minimum(
        ((values - low) / max(high - low, 1e-6) * VALUE_LEVELS).astype(int), VALUE_LEVELS - 1
    )
    found = []
    for each in range(VALUE_LEVELS):
        areas, count = ndimage.label(level == each)
        found += [areas == number for number in range(1, count + 1)]
    large = [area for area in found if area.mean() >= SMALLEST_SHARE]
    large.sort(key=lambda area: -int(area.sum()))
    rest = ~np.any(large, axis=0) if large else np.ones(values.shape, dtype=bool)
    return np.stack([*large, rest] if rest.any() else large)


def grouped(attributions: Tensor, groups: Mapping[str, Iterable[int]]) -> dict[str, Tensor]:
    """What groups of latents did together: attributions of inputs are added up.

    Args:
        attributions: (..., latents + 1), float32, of a method whose attributions add up.
        groups: numbers of latents, by the group's name; each in one group at most.

    Returns:
        (...,) for each group, for `label`, and for `other latents` where some are in none.

    Raises:
        InputError: there is no such latent, or one is in two groups.
    """
    latents = attributions.shape[-1] - 1
    left, found = set(range(latents)), {}
    for name, numbers in groups.items():
        members = list(numbers)
        for each in members:
            if not 0 <= each < latents:
                raise InputError(f"there is no latent {each}; they go from 0 to {latents - 1}")
            if each not in left:
                raise InputError(f"latent {each} is in two groups; keep it in one")
            left.remove(each)
        found[name] = attributions[..., torch.tensor(members, dtype=torch.long)].sum(dim=-1)
    if left:
        found["other latents"] = attributions[..., sorted(left)].sum(dim=-1)
    return found | {"label": attributions[..., -1]}
