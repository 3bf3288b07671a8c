"""What a data set's total still allows, for runs that are chosen one after another.

The first run of a data set is chosen before anything was published, so that what it costs alone
is what it costs (`accounting`). From the second on, a run may be chosen by what earlier ones
gave, and all of them together must keep to the total by a filter for that (`adaptive`). Both are
one guarantee: which of the two rules lets the first run in is known before it begins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import BudgetRefused
from safegen.privacy.accounting import adaptive
from safegen.privacy.accounting import events as accounting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.schemas.certificate import Event

# Of a plan's epsilon is what it costs at least, when its noise is sought for it.
MIN_CALIBRATED_SHARE = 0.99
SUGGESTED_SHARE = 0.995  # of an epsilon that would fit, so that what is suggested does


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A data set's total, and what its runs so far count toward it.

    Attributes:
        name: of the data set.
        digest: of its records.
        public: whether it is a public benchmark, whose total is not kept to.
        total: epsilon that all runs may cost together.
        delta: at which.
        mus: what each run counts, in order (`adaptive.mu_of`).
        first: epsilon that the first run costs alone; 0 when there was none.
    """

    name: str
    digest: str
    public: bool
    total: float
    delta: float
    mus: tuple[float, ...] = ()
    first: float = 0.0

    @property
    def spent(self) -> float:
        """What all runs cost together, however each was chosen."""
        if len(self.mus) < 2:
            return self.first
        return adaptive.epsilon_of_mu(adaptive.together(self.mus), self.delta)

    def mu_of(self, events: Sequence[Event]) -> float:
        """What one run more would count."""
        return adaptive.mu_of(events, adaptive.slack_of(len(self.mus) + 1, self.delta))

    def after(self, events: Sequence[Event]) -> float:
        """What all runs cost together when one of these events has joined them."""
        if not self.mus:
            return accounting.epsilon_of(events, self.delta)
        return adaptive.epsilon_of_mu(
            adaptive.together((*self.mus, self.mu_of(events))), self.delta
        )

    def require(self, plan: PrivacyPlan) -> float:
        """What all runs cost once a plan has run, too.

        Raises:
            BudgetRefused: that is more than the total.
        """
        after = self.after(plan.granted_events())
        if not self.public and not after <= self.total:  # so written, a NaN is refused
            raise self.refusal(after, self.largest(plan))
        return after

    def surely_exceeded_by(self, epsilon: float, delta: float) -> bool:
        """Whether no run that costs `epsilon` alone could be let in; told without any search."""
        if self.public or not 0 < epsilon < math.inf:  # the plan refuses such an epsilon itself
            return False
        if not self.mus:
            return delta <= self.delta and epsilon * MIN_CALIBRATED_SHARE > self.total
        slack = adaptive.slack_of(len(self.mus) + 1, self.delta)
        least = adaptive.least_mu(epsilon * MIN_CALIBRATED_SHARE, max(delta - slack, 0.0))
        return adaptive.together((*self.mus, least)) > adaptive.total_mu(self.total, self.delta)

    def largest_at_best(self, delta: float) -> float:
        """The epsilon of a single Gaussian release that would fit; no run can have more."""
        return adaptive.epsilon_at(self._left(), delta) if self.mus else self.total

    def largest(self, like: PrivacyPlan) -> float:
        """The largest epsilon that fits, for a plan much like another; two digits, rounded down.

        A run counts somewhat more than a single Gaussian release of the same epsilon would. How
        much more hardly depends on epsilon, and is taken from `like`.
        """
        events, delta = like.events(), like.delta
        if not self.mus:
            costs = accounting.rough_epsilon_of(events, self.delta)
            costs /= max(accounting.rough_epsilon_of(events, delta), like.epsilon)
            return two_digits(self.total / max(costs, 1.0))
        single = adaptive.least_mu(accounting.rough_epsilon_of(events, delta), delta)
        slack = adaptive.slack_of(len(self.mus) + 1, self.delta)
        counts = adaptive.mu_of(events, slack, accounting.ROUGH_BIN_WIDTH)
        more = counts / single if single else math.inf
        return two_digits(SUGGESTED_SHARE * adaptive.epsilon_at(self._left() / more, delta))

    def refusal(self, after: float | None, fits: float) -> BudgetRefused:
        """The refusal in words.

        Args:
            after: what all runs would have cost; None when nobody computed it.
            fits: the epsilon that would be let in; 0 for none.
        """
        come = "needs more than is left" if after is None else f"would bring it to {after:.4g}"
        way = f"an --epsilon of {fits:g} fits" if fits else "no run fits any more"
        return BudgetRefused(
            f"{self.name} has a total budget of epsilon {self.total:g} and has spent "
            f"{self.spent:.4g}; this run {come}: {way}, or let its owner raise the total with "
            f"`safegen budget set {self.digest[:19]}`"
        )

    def _left(self) -> float:
        """The mu that one run more may count."""
        square = adaptive.total_mu(self.total, self.delta) ** 2 - adaptive.together(self.mus) ** 2
        return math.sqrt(max(square, 0.0))


def two_digits(value: float) -> float:
    """Rounded down to two digits; below a hundredth, 0.

    >>> two_digits(3.78), two_digits(0.0999), two_digits(12.7), two_digits(0.004)
    (3.7, 0.099, 12.0, 0.0)
    """
    if not value >= 0.01:
        return 0.0
    place = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.floor(value / place + 1e-9) * place, 12)
