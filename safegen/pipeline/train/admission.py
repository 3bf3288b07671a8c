"""Whether a run would be let in, found out before anything heavy is loaded; no torch.

Planning takes seconds, and so does loading a network library. That a budget has no room for a run
can mostly be told at once: a run's noise is sought for its epsilon, so that it costs hardly less.
What is near the limit is left to the plan itself (`run`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from safegen.errors import PlanError
from safegen.privacy.accounting.plan import default_delta
from safegen.privacy.accounting.room import two_digits
from safegen.training.config import plan_for, preset_for
from safegen.training.recipe import TOO_FEW, too_few

if TYPE_CHECKING:
    from safegen.privacy.accounting.budget import Budget
    from safegen.privacy.accounting.room import Room
    from safegen.schemas.card import DataCard
    from safegen.training.config import Wishes


def require_admission(card: DataCard, grouping: str | None, wishes: Wishes, budget: Budget) -> None:
    """Refuse what surely has no room.

    Args:
        card: the data set's.
        grouping: digest of which group each record is in; None when records are units.
        wishes: what the caller decides.
        budget: where their spending is kept.

    Raises:
        BudgetRefused: the data set's total would be exceeded, or it is counted by another unit.
    """
    budget.require_unit(card, grouping)
    room = budget.room(card)
    if room.public:
        return
    if room.surely_exceeded_by(_costs(wishes, card), _delta(wishes, card)):
        raise room.refusal(None, _fits(room, wishes, card))


def _costs(wishes: Wishes, card: DataCard) -> float:
    """Epsilon that a run will cost; when its noise is given, what that costs up to epsilon."""
    if wishes.noise_multiplier is None:
        return wishes.epsilon
    plan = plan_for(wishes, preset_for(wishes, card), card)
    return plan.costs()


def _delta(wishes: Wishes, card: DataCard) -> float:
    return default_delta(card.units) if wishes.delta is None else wishes.delta


def _fits(room: Room, wishes: Wishes, card: DataCard) -> float:
    """The largest epsilon that would be let in, all else as wished; 0 for none."""
    best = two_digits(room.largest_at_best(_delta(wishes, card)))
    if not best:
        return 0.0
    smaller = dataclasses.replace(wishes, epsilon=best)
    try:
        return room.largest(plan_for(smaller, preset_for(smaller, card), card, rough=True))
    except PlanError:  # the rest pays for no run
        return 0.0


def few_records(card: DataCard, epsilon: float) -> str | None:
    """A sentence when records are too few for their classes; from what is published anyway."""
    if not too_few(card, epsilon):
        return None
    classes = len(card.classes)
    each = card.units / classes
    needed = TOO_FEW * classes / card.units
    enough = f"{needed:.2g}" if needed < 10 else f"{math.ceil(needed):,}"
    return (
        f"{card.units:,} {card.unit}s in {classes} classes are {each:.0f} a class, and at epsilon "
        f"{epsilon:g} that is so few that pictures of a class may show hardly more than what all "
        f"have in common; more records, fewer classes, or an epsilon of {enough} or more would "
        "tell them apart"
    )
