"""The one door, beside the engine, through which records are looked at: planned Gaussian releases.

    1. What is asked for must be planned, and not yet made as often as planned.
    2. The statistic is taken of records under seal (`sealed`), each clipped to a public radius.
    3. Noise is added on a lattice (`release`), of a key of the run and of the very statistic.
    4. The release is counted; `events` are what really ran.

Nothing else makes a `Mechanism`, so that nobody spends without an account; and one that forgets a
release is not certified as if it had been made (`certify`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import PlanError
from safegen.privacy.mechanism.opening import vectors_of
from safegen.privacy.mechanism.release import (
    ClassMoments,
    ClassSums,
    Mechanism,
    class_moments,
    class_sums,
    outer_products,
    total,
    within,
)
from safegen.schemas.certificate import Gaussian

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from safegen.privacy.accounting.plan import PrivacyPlan, Purpose
    from safegen.privacy.mechanism.outlet import Outlet
    from safegen.privacy.mechanism.sealed import PrivateVectors, Values
    from safegen.schemas.certificate import Event

    Array = NDArray[np.float64]

__all__ = ["ClassMoments", "ClassSums", "Releases", "within"]


class Releases:
    """The releases of one run.

    Attributes:
        units: in the data set; public.
    """

    def __init__(
        self,
        plan: PrivacyPlan,
        key: int | None = None,
        *,
        made: Mapping[Purpose, int] | None = None,
        outlet: Outlet | None = None,
        loudness: float = 1.0,
    ) -> None:
        """Open an account of releases.

        Args:
            plan: what was granted.
            key: of the noise; the same key makes the same releases again. Fresh from the operating
                system when None.
            made: how many an interrupted run has made already, by purpose.
            outlet: what outputs go through, in rehearsals; None for none.
            loudness: what radii are divided by, in rehearsals, so that every record is clipped.
        """
        self._plan, self._key = plan, key
        self._made: dict[Purpose, int] = dict(made or {})
        self._outlet, self._loudness = outlet, loudness
        self.units = plan.units

    @property
    def made(self) -> dict[Purpose, int]:
        """How many were made, by purpose."""
        return dict(self._made)

    def planned(self, purpose: Purpose) -> int:
        """How many are planned; 0 for none."""
        release = self._plan.release(purpose)
        return 0 if release is None else release.count

    def events(self) -> tuple[Event, ...]:
        """What was made, as events in the plan's order."""
        return tuple(
            Gaussian(noise_multiplier=each.noise_multiplier, count=self._made[each.purpose])
            for each in self._plan.releases
            if self._made.get(each.purpose)
        )

    def total(
        self, purpose: Purpose, vectors: PrivateVectors, *, radius: float
    ) -> tuple[Array, float]:
        """Release the sum of each record's vector (`release.total`), in units of the radius.

        Raises:
            PlanError: it is not planned, or was made as often as planned.
            TrainingError: a vector is not finite.
        """
        held = vectors_of(vectors)
        return total(_double(held.values), self._mechanism(purpose, radius, held.groups))

    def class_sums(
        self, purpose: Purpose, vectors: PrivateVectors, *, classes: int, radius: float
    ) -> ClassSums:
        """Release each class's count and sum (`release.class_sums`).

        Raises:
            PlanError: it is not planned, or was made as often as planned.
            TrainingError: a vector is not finite.
        """
        held = vectors_of(vectors)
        made = self._mechanism(purpose, radius, held.groups)
        return class_sums(_double(held.values), held.labels, classes, made)

    def class_moments(
        self, purpose: Purpose, vectors: PrivateVectors, *, classes: int, radius: float
    ) -> ClassMoments:
        """Release each class's count, sum and second moment (`release.class_moments`).

        Raises:
            PlanError: it is not planned, or was made as often as planned.
            TrainingError: a vector is not finite.
        """
        held = vectors_of(vectors)
        made = self._mechanism(purpose, radius, held.groups)
        return class_moments(_double(held.values), held.labels, classes, made)

    def outer_products(
        self,
        purpose: Purpose,
        vectors: PrivateVectors,
        others: Callable[[Values, NDArray[np.int64]], Array],
        *,
        radius: float,
    ) -> Array:
        """Release the sum of each record's product of two vectors (`release.outer_products`).

        Args:
            purpose: of the release.
            vectors: (records, d).
            others: from vectors and labels to the second vectors, (records, k), each of its own
                record alone.
            radius: public bound on a product's norm.

        Raises:
            PlanError: it is not planned, or was made as often as planned.
            TrainingError: a vector is not finite.
        """
        held = vectors_of(vectors)
        made = self._mechanism(purpose, radius, held.groups)
        return outer_products(held.values, others(held.values, held.labels), made)

    def _mechanism(
        self, purpose: Purpose, radius: float, groups: NDArray[np.int64] | None
    ) -> Mechanism:
        """The next mechanism of a purpose, which is counted from now on."""
        release, done = self._plan.release(purpose), self._made.get(purpose, 0)
        if release is None or done >= release.count:
            planned = "none is" if release is None else f"{release.count} of it are"
            raise PlanError(
                f"a release of {purpose} was asked for and {planned} planned; plan every release, "
                "so that its cost is counted"
            )
        self._made[purpose] = done + 1
        return Mechanism(
            name=purpose if release.count == 1 else f"{purpose} {done}",
            radius=radius / self._loudness,
            noise_multiplier=release.noise_multiplier,
            key=self._key,
            groups=groups,
            outlet=self._outlet,
        )


def _double(values: Values) -> Array:
    made: Array = values.astype("float64", copy=False)
    return made
