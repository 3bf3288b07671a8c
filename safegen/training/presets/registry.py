"""The presets of each kind of data, by the kind's name; no torch, since admission needs them.

Those of a kind that comes with safegen are `PRESETS` in `training/presets/<kind>.py`; those of a
kind of your own are registered beside it (`safegen.modality.by_kind`).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from safegen.errors import InputError, PlanError
from safegen.modality.by_kind import ByKind
from safegen.schemas.card import PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.schemas.card import DataCard
    from safegen.schemas.config import Family, WarmStart
    from safegen.training.presets.preset import Preset


class Choose(Protocol):
    """What chooses a preset from what is public: the card and a budget, never the records."""

    def __call__(
        self,
        family: Family,
        card: DataCard,
        epsilon: float,
        *,
        prior: str = "auto",
        warm_start: WarmStart = "auto",
    ) -> Preset:
        """The preset of one family; `preset` describes the arguments.

        Raises:
            PlanError: the kind of data has no such family, or no such start.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """The presets of one kind of data.

    Attributes:
        choose: a preset from what is public.
        enough: of a card: as many records of a class, times epsilon, are enough to tell classes
            apart; 0 where nothing is known, or there is nothing to tell apart.
        priors: names of what code draws to learn from first
            (`safegen.training.pretraining_sources`).
    """

    choose: Choose
    enough: Callable[[DataCard], float] = lambda _: 0.0
    priors: tuple[str, ...] = ()


def _require(kind: str, presets: Presets) -> None:
    """Refuse presets that cannot be asked as they will be."""
    try:
        inspect.signature(presets.choose).bind("vae", None, 1.0, prior="auto", warm_start="auto")
        inspect.signature(presets.enough).bind(None)
    except TypeError as error:
        raise InputError(
            f"the presets of {kind!r} cannot be asked as they will be ({error}); see "
            "safegen.training.presets.registry.Presets"
        ) from error


BY_KIND = ByKind(name="presets", value=Presets, package=__package__, require=_require)
register = BY_KIND.register
presets_of = BY_KIND.of


def preset(
    family: Family,
    card: DataCard,
    epsilon: float,
    *,
    prior: str = "auto",
    warm_start: WarmStart = "auto",
) -> Preset:
    """The preset of one family for a data set's public card and a budget.

    Args:
        family: of the generator.
        card: the data set's.
        epsilon: what the run may cost.
        prior: the name of samples to learn first weights from; `none`, or `auto` by the data set's
            name.
        warm_start: `moments`, `none`, or `auto`.

    Raises:
        PlanError: the kind of data has no such family, or no such start.
    """
    kind = card.shape.kind
    chosen = presets_of(kind).choose(family, card, epsilon, prior=prior, warm_start=warm_start)
    if chosen.recipe.warm_start is not None and kind != PICTURES:
        raise PlanError(f"a warm start is made of pictures' frequencies, and {kind} data have none")
    if chosen.architecture.shape != card.shape:
        raise PlanError(f"the presets of {kind!r} chose networks of another shape than the data's")
    return chosen


def enough(card: DataCard) -> float:
    """How many records of a class, times epsilon, are enough to tell its classes apart; or 0."""
    return presets_of(card.shape.kind).enough(card)


def prior_names() -> tuple[str, ...]:
    """What code draws of any kind that is known, by name."""
    known = (presets_of(PICTURES), *BY_KIND.known())
    return tuple(dict.fromkeys(name for each in known for name in each.priors))
