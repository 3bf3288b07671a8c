"""What actually ran, turned into a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import TrainingError
from safegen.privacy.accounting import events as accounting
from safegen.schemas.certificate import Event, LowerBound, Noise, PrivacyCertificate

if TYPE_CHECKING:
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.schemas.card import DataCard

TRUST_MODEL = "central: whoever ran the training saw the records; only the model is private"
PUBLIC_BY_ASSUMPTION = (
    "the number and names of classes, as they were found among the records",
    "the pictures' size, channels and value range, likewise",
    "the expected batch size, the number of steps and every other setting of the run",
)
NOT_PROTECTED = (
    "settings that were chosen by looking at the records outside the budget",
    "how long the run took, and whether it stopped at a gradient that was not finite",
    "training again on nearly the same records under another budget",
)
UNITS_PUBLIC = {
    "record": "the number of records, empty places among them",
    "group": "the number of groups, empty ones among them; not how many records they have",
}
UNIT_NOT_PROTECTED = {
    "record": "several records of one person: the unit is one record",
    "group": "what all members of several groups have in common: the unit is one group",
}


def certify(
    plan: PrivacyPlan,
    events: tuple[Event, ...],
    card: DataCard,
    *,
    steps_run: int,
    noise: Noise,
    lower_bound: LowerBound | None,
    assumptions: tuple[str, ...] = (),
) -> PrivacyCertificate:
    """Certify the events that ran.

    Args:
        plan: what was granted.
        events: what ran: the steps as the engine counted them, and every release of the plan.
        card: the published card of the data set.
        steps_run: how many steps are among them.
        noise: where the noise came from.
        lower_bound: what an attack on the run could prove; None when none was made.
        assumptions: what this run takes to be public beside what all do.

    Raises:
        TrainingError: something else ran than was planned, or more; then nothing is certified.
    """
    _require_planned(plan, events, steps_run)
    epsilon = accounting.epsilon_of(events, plan.delta)
    if not epsilon <= plan.epsilon:  # so written, a NaN is refused
        raise TrainingError(
            f"the run spent epsilon {epsilon:.6g}, more than its budget of {plan.epsilon:g}; "
            "no certificate is issued, and what was spent stays spent"
        )
    return PrivacyCertificate(
        epsilon=epsilon,
        delta=plan.delta,
        target_epsilon=plan.epsilon,
        neighbours="zero_out_one",
        unit=plan.unit,
        units=plan.units,
        records_per_unit=plan.records_per_unit,
        accountant=accounting.accountant_name(),
        events=events,
        clipping_norm=plan.clipping_norm,
        sampling=plan.sampling,
        noise=noise,
        trust_model=TRUST_MODEL,
        outcome="completed" if steps_run == plan.steps else "budget_exhausted",
        lower_bound=lower_bound,
        data=card,
        public_by_assumption=(UNITS_PUBLIC[plan.unit], *PUBLIC_BY_ASSUMPTION, *assumptions),
        not_protected=(*NOT_PROTECTED, UNIT_NOT_PROTECTED[plan.unit]),
    )


def _require_planned(plan: PrivacyPlan, events: tuple[Event, ...], steps_run: int) -> None:
    """What ran must be the plan's steps, as many as were counted, and each of its releases.

    Raises:
        TrainingError: it was not.
    """
    if events != plan.events(steps_run):
        raise TrainingError(
            f"what ran is not what was planned: {_told(events)} ran, and "
            f"{_told(plan.events(steps_run))} were planned; no certificate is issued, and what was "
            "spent stays spent"
        )


def _told(events: tuple[Event, ...]) -> str:
    """Events in a few words, such as `40 steps at noise 1.3, 1 release at noise 5`."""
    words = [
        f"{each.count} {'release' if each.event == 'gaussian' else 'step'}"
        f"{'' if each.count == 1 else 's'} at noise {each.noise_multiplier:.4g}"
        for each in events
    ]
    return ", ".join(words) or "nothing"
