"""Was a finished run the plan's? Its own draws and canaries tell, or it gets no certificate.

Every comparison is a test whose p-value can come below the level, whatever the run's size allows:
each is planted in `tests/pipeline/train/test_soundness.py`. A sound run is refused by each once
in a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from safegen.audit.canaries import compare, dispersion, lower_bound, participation
from safegen.errors import TrainingError
from safegen.privacy.accounting.events import epsilon_of
from safegen.privacy.accounting.ranges import MIN_DELTA

if TYPE_CHECKING:
    from safegen.audit.canaries import Comparison
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.canaries import Canaries
    from safegen.schemas.certificate import LowerBound
    from safegen.training.loop import Trained

REFUSAL_P_VALUE = 1e-6
UNCERTIFIED = "no certificate is issued, and what was spent stays spent"


def require_sound(trained: Trained, plan: PrivacyPlan, canaries: Canaries | None) -> None:
    """The draws must have been the plan's, and what the canaries heard its noise and sampling.

    Raises:
        TrainingError: they were not, which a sound run looks like once in a million.
    """
    if canaries is not None and canaries.steps_observed > trained.steps_run:
        raise TrainingError(
            f"{canaries.steps_observed} steps ran and {trained.steps_run} were counted; "
            f"{UNCERTIFIED}"
        )
    if canaries is not None and canaries.steps_observed < len(trained.sizes):
        raise TrainingError(
            f"{len(trained.sizes)} steps drew units and the canaries heard "
            f"{canaries.steps_observed}; {UNCERTIFIED}"
        )
    for each in (*_draws(trained, plan), *_canaries(trained, plan, canaries)):
        if each.p_value < REFUSAL_P_VALUE:
            raise TrainingError(
                f"the run was not the plan's, as its canaries and draws show: {each.what} is "
                f"{each.found:.4g} and should be {each.expected:.4g}; {UNCERTIFIED}"
            )


def _draws(trained: Trained, plan: PrivacyPlan) -> tuple[Comparison, ...]:
    """How many units took part; nothing where all steps were lost to a crash."""
    probability = plan.sampling_probability
    if not (trained.units_considered or len(trained.sizes)):
        return ()
    return (
        participation(trained.units_drawn, trained.units_considered, probability),
        dispersion(trained.sizes, trained.units_each, probability, np.random.default_rng()),
    )


def _canaries(
    trained: Trained, plan: PrivacyPlan, canaries: Canaries | None
) -> tuple[Comparison, ...]:
    if canaries is None or not canaries.steps_observed:
        return ()
    return compare(
        canaries.scores,
        canaries.included,
        steps=canaries.steps_observed,
        sampling_probability=plan.sampling_probability,
        deviation=plan.noise_multiplier * (1 + trained.margin),
    )


def bound_of(trained: Trained, plan: PrivacyPlan, canaries: Canaries) -> LowerBound:
    """What the canaries prove; a claim that they refute beyond doubt is not certified.

    One sound run in twenty may be refuted with 95% confidence. So a bound above the claim is asked
    again at one in a million, and at another delta, for which the events are worth a larger
    epsilon: that of the certificate blurs a one-run bound by more than a million of canaries can
    make up for. 1,000 canaries then prove 4.0 and no more; larger claims are for `require_sound`
    to refute.

    Raises:
        TrainingError: the claim is refuted all the same.
    """
    scores, included = canaries.scores, canaries.included
    bound = lower_bound(scores, included, plan.delta)
    if bound.epsilon <= epsilon_of(trained.events, plan.delta):
        return bound
    sure = 1 - REFUSAL_P_VALUE
    proved = lower_bound(scores, included, MIN_DELTA, confidence=sure).epsilon
    if proved > epsilon_of(trained.events, MIN_DELTA):
        raise TrainingError(
            f"an attack on the run proved epsilon at least {proved:.2f} at delta "
            f"{MIN_DELTA:g}, more than its events give; {UNCERTIFIED}"
        )
    return lower_bound(scores, included, plan.delta, confidence=sure)
