"""A loaded policy, and several that hold together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from safegen.errors import InputError, PolicyError
from safegen.policy.facts import OLD_NAMES
from safegen.policy.labels import one_label
from safegen.policy.quotas import merged
from safegen.policy.vocabulary import SCREENS, joined
from safegen.schemas.canonical import sha256
from safegen.schemas.decision import Identity
from safegen.schemas.mining import KEPT_TO_ITSELF, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from safegen.policy.rules import Period, Rule
    from safegen.policy.vocabulary import Families
    from safegen.schemas.decision import Stage
    from safegen.schemas.label import LabelDocument
    from safegen.schemas.mining import Mining
    from safegen.schemas.policy import TestDocument, Value
    from safegen.schemas.quota import QuotaDocument
    from safegen.screens.bound import BoundScreen

GENERATION: tuple[Stage, ...] = ("request", "release")
STRICTEST_FIRST: Sequence[Use] = ("notAllowed", "constrained", "allowed")
assert set(STRICTEST_FIRST) == set(get_args(Use))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """One policy, or several as one.

    Attributes:
        name: its own; of several, all with ` + ` between.
        description: one sentence.
        digest: of the file's bytes; of what it extends and its own, where it extends something; of
            the list of names and digests, where it is several.
        version: its own, None without one.
        law: the instrument that it is about, None where it is about none.
        rules: compiled, in the file's order, what is extended first; never empty.
        stamps_required: whether nothing may leave without a time-stamp (`time_stamps: required`);
            otherwise, an output leaves without one when the authority does not answer.
        training_mining: what others may do with the outputs, in CAWG's words.
        periods: when each of its parts may be used, by name.
        parts: the policies that hold together here; empty where it is one.
        bases: digests of the policies that it, or one of its parts, extends.
        label: what every output shows, which is a rule as well; None where nothing is said.
        quotas: what is counted before a request is admitted; each is a rule as well.
        more: names below the facts that are mappings, as its rules were compiled with.
        given: facts that its tests begin with.
        tests: of itself.
        bound: every screen that its rules could speak of, by name.
    """

    name: str
    description: str
    digest: str
    version: str | None = None
    law: str | None = None
    rules: tuple[Rule, ...]
    stamps_required: bool = False
    training_mining: Mining = dataclasses.field(default_factory=lambda: KEPT_TO_ITSELF)
    periods: tuple[tuple[str, Period], ...] = ()
    parts: tuple[Identity, ...] = ()
    bases: tuple[str, ...] = ()
    label: LabelDocument | None = None
    quotas: tuple[QuotaDocument, ...] = ()
    more: Families
    given: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    tests: tuple[TestDocument, ...] = ()
    bound: Mapping[str, BoundScreen] = dataclasses.field(default_factory=dict)

    @property
    def asked(self) -> tuple[BoundScreen, ...]:
        """The screens whose scores its rules judge, in the order of their names."""
        return tuple(self.bound[name] for name in sorted(self.screens))

    def require_screens(self) -> Policy:
        """Open every screen that will be asked, before anything is made.

        Raises:
            PolicyError: names the screen, and what is wrong with its file.
        """
        for each in self.asked:
            try:
                each.open()
            except InputError as error:
                raise PolicyError(f"policy {self.name}: screen {each.name}: {error}") from error
        return self

    @property
    def screens(self) -> frozenset[str]:
        """Names of the screens whose scores its rules judge."""
        spoken = {OLD_NAMES.get(name, name) for rule in self.rules for name in rule.facts}
        return frozenset(
            name.removeprefix(f"{SCREENS}.") for name in spoken if name.startswith(f"{SCREENS}.")
        )

    def require_stages(self, stages: Iterable[Stage] = GENERATION) -> Policy:
        """Refuse a policy under which nothing could leave, for no rule would allow it.

        Raises:
            PolicyError: names the stage.
        """
        for stage in stages:
            if not any(rule.stage == stage for rule in self.rules):
                raise PolicyError(
                    f"policy {self.name} has no rules: none for the {stage} stage, so nothing "
                    "could leave; name one that has, such as baseline, beside it"
                )
        return self


def together(policies: Sequence[Policy]) -> Policy:
    """Several policies as one: all must allow, and the strictest of each setting holds.

    Raises:
        PolicyError: there is none, or two have one name.
    """
    if not policies:
        raise PolicyError("no policy was named, and without one nothing is allowed; name baseline")
    if len(policies) == 1:
        return policies[0]
    parts = tuple(Identity(name=each.name, digest=each.digest) for each in policies)
    for place, part in enumerate(parts):
        if part.name in [other.name for other in parts[:place]]:
            raise PolicyError(f"two policies are named {part.name}; give one of them another name")
    listed = "".join(f"{part.name}\n{part.digest}\n" for part in parts)
    return Policy(
        name=" + ".join(part.name for part in parts),
        description=" ".join(each.description for each in policies),
        digest=sha256(listed.encode()),
        rules=tuple(
            dataclasses.replace(rule, id=f"{each.name}/{rule.id}")
            for each in policies
            for rule in each.rules
        ),
        stamps_required=any(each.stamps_required for each in policies),
        training_mining=_strictest([each.training_mining for each in policies]),
        periods=tuple(period for each in policies for period in each.periods),
        parts=parts,
        bases=tuple(base for each in policies for base in each.bases),
        label=one_label(each.label for each in policies),
        quotas=merged(quota for each in policies for quota in each.quotas),
        more=joined(each.more for each in policies),
        bound=_bound(policies),
    )


def _bound(policies: Sequence[Policy]) -> dict[str, BoundScreen]:
    """The screens of all policies; one that declares a screen says more than one that does not."""
    bound: dict[str, BoundScreen] = {}
    for policy in policies:
        for name, screen in policy.bound.items():
            other = bound.setdefault(name, screen)
            if other.by is None or (screen.by and other.agrees(screen)):
                quicker = min(other.seconds, screen.seconds)
                bound[name] = dataclasses.replace(screen, seconds=quicker)
            elif screen.by is not None:
                raise PolicyError(
                    f"policies {other.by} and {screen.by} mean different screens by {name!r}, or "
                    "other thresholds; give one of them another name"
                )
    return bound


def _strictest(minings: Sequence[Mining]) -> Mining:
    return {
        name: min((each[name] for each in minings), key=STRICTEST_FIRST.index)
        for name in KEPT_TO_ITSELF
    }
