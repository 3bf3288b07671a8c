"""What actually ran, turned into a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import TrainingError
from safegen.privacy import accounting
from safegen.records.certificate import Event, PrivacyCertificate

if TYPE_CHECKING:
    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.card import DataCard

NOISE = "AES-128 counter stream keyed by the operating system; Gaussian in floating point"
TRUST_MODEL = "central: whoever ran the training saw the records; only the model is private"
PUBLIC_BY_ASSUMPTION = (
    "the number of records",
    "the number and names of classes, as they were found among the records",
    "the pictures' size, channels and value range, likewise",
    "the expected batch size, the number of steps and every other setting of the run",
)
NOT_PROTECTED = (
    "settings that were chosen by looking at the records outside the budget",
    "how long the run took",
    "several records of one person: the unit is one record",
    "attacks on the rounding of floating-point noise",
    "training again on nearly the same records under another budget",
)


def certify(
    plan: PrivacyPlan, events: tuple[Event, ...], steps_run: int, card: DataCard
) -> PrivacyCertificate:
    """Certify the events that ran.

    Args:
        plan: what was granted.
        events: what ran, as the engine and the release counted it.
        steps_run: how many steps are among them.
        card: the published card of the data set.

    Raises:
        TrainingError: more ran than the plan allows; then nothing is certified.
    """
    epsilon = accounting.epsilon_of(events, plan.delta)
    if epsilon > plan.epsilon:
        raise TrainingError(
            f"the run spent epsilon {epsilon:.6g}, more than its budget of {plan.epsilon:g}; "
            "no certificate is issued, and what was spent stays spent"
        )
    return PrivacyCertificate(
        epsilon=epsilon,
        delta=plan.delta,
        target_epsilon=plan.epsilon,
        neighbours=plan.neighbours,
        unit=plan.unit,
        accountant=accounting.accountant_name(),
        events=events,
        clipping_norm=plan.clipping_norm,
        sampling=plan.sampling,
        noise=NOISE,
        trust_model=TRUST_MODEL,
        outcome="completed" if steps_run == plan.steps else "budget_exhausted",
        data=card,
        public_by_assumption=PUBLIC_BY_ASSUMPTION,
        not_protected=NOT_PROTECTED,
    )
