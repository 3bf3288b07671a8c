"""Whether a run would be let in, found out before anything heavy is loaded; no torch.

Planning takes seconds, and so does loading a network library. That a budget has no room for a run
can mostly be told at once: a run's noise is sought for its epsilon, so that it costs hardly less.
What is near the limit is left to the plan itself (`run`).
"""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.errors import PlanError
from safegen.modality.registry import kind_named
from safegen.pipeline.train.planning import plan_for, preset_for
from safegen.policy.deployment import load_deployment, moment
from safegen.policy.facts import DataFacts, PlanFacts, facts_at
from safegen.policy.guard import admit
from safegen.policy.load import load_policies
from safegen.privacy.accounting.plan import default_delta
from safegen.privacy.accounting.room import two_digits
from safegen.training.presets.registry import enough

if TYPE_CHECKING:
    from safegen.config.privacy import PrivacyConfig
    from safegen.config.training import TrainingConfig
    from safegen.config.training_guard import TrainingGuard
    from safegen.privacy.accounting.budget import Budget
    from safegen.privacy.accounting.room import Room
    from safegen.schemas.card import DataCard
    from safegen.schemas.decision import Decision


def require_admission(
    card: DataCard,
    grouping: str | None,
    privacy: PrivacyConfig,
    training: TrainingConfig,
    budget: Budget,
) -> None:
    """Refuse what surely has no room.

    Args:
        card: the data set's.
        grouping: digest of which group each record is in; None when records are units.
        privacy: what is to be promised.
        training: what is to be trained.
        budget: where their spending is kept.

    Raises:
        BudgetRefused: the data set's total would be exceeded, or it is counted by another unit.
    """
    budget.require_unit(card, grouping)
    room = budget.room(card)
    if room.public:
        return
    if room.surely_exceeded_by(_costs(privacy, training, card), _delta(privacy, card)):
        raise room.refusal(None, _fits(room, privacy, training, card))


def require_allowed(card: DataCard, privacy: PrivacyConfig, guard: TrainingGuard) -> Decision:
    """Refuse a training that its policies do not allow; nothing is planned or asked of a budget.

    Args:
        card: the data set's.
        privacy: what is to be promised.
        guard: which policies are asked, and what for it is.

    Raises:
        PolicyError: a policy or the deployment does not load.
        Refused: the policies say no; carries the decision.
    """
    policy, where = load_policies(guard.policy), load_deployment(guard.deployment)
    now = datetime.now(UTC)
    facts = facts_at(
        "train",
        PlanFacts(
            epsilon=privacy.epsilon,
            delta=_delta(privacy, card),
            unit=card.unit,
            units=card.units,
            purpose=guard.purpose.strip(),
        ),
        DataFacts(name=card.name, licence=card.licence, source=card.source, public=card.public),
        where.facts,
        moment(now),
    )
    return admit(policy, where.added_to(facts, now))


def _costs(privacy: PrivacyConfig, training: TrainingConfig, card: DataCard) -> float:
    """Epsilon that a run will cost; when its noise is given, what that costs up to epsilon."""
    if privacy.noise_multiplier is None:
        return privacy.epsilon
    return plan_for(privacy, training, preset_for(privacy, training, card), card).costs()


def _delta(privacy: PrivacyConfig, card: DataCard) -> float:
    return default_delta(card.units) if privacy.delta is None else privacy.delta


def _fits(room: Room, privacy: PrivacyConfig, training: TrainingConfig, card: DataCard) -> float:
    """The largest epsilon that would be let in, all else as asked for; 0 for none."""
    best = two_digits(room.largest_at_best(_delta(privacy, card)))
    if not best:
        return 0.0
    smaller = dataclasses.replace(privacy, epsilon=best)
    chosen = preset_for(smaller, training, card)
    try:
        return room.largest(plan_for(smaller, training, chosen, card, rough=True))
    except PlanError:  # the rest pays for no run
        return 0.0


def few_records(card: DataCard, epsilon: float) -> str | None:
    """A sentence when records are too few for their classes; from what is published anyway."""
    classes = len(card.classes)
    each = card.units / classes
    if each * epsilon >= enough(card):
        return None
    needed = enough(card) * classes / card.units
    more = f"{needed:.2g}" if needed < 10 else f"{math.ceil(needed):,}"
    samples = kind_named(card.shape.kind).many
    return (
        f"{card.units:,} {card.unit}s in {classes} classes are {each:.0f} a class, and at epsilon "
        f"{epsilon:g} that is so few that {samples} of a class may show hardly more than what all "
        f"have in common; more records, fewer classes, or an epsilon of {more} or more would "
        "tell them apart"
    )
