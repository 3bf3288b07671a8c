"""One rule of a policy, and what it says of facts: whatever is not plainly true refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safegen.policy.places import meet
from safegen.schemas.decision import RuleFinding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from safegen.policy.expression import Expression
    from safegen.policy.facts import Fact, Facts
    from safegen.schemas.decision import Outcome, Stage
    from safegen.schemas.policy import AttestDocument

DATE, PLACES = "time.date", "deployment.jurisdictions"
HINTS = {
    "quota": "the database of its ledger must be there to count",
    "deployment": "name a deployment file with --deployment",
    "output.screens": "have that screen asked",
    "screens": "its error rates count once `safegen screens measure` measured this very screen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From when until when something is in force, both days included; None leaves it open."""

    begin: date | None = None
    end: date | None = None

    def holds(self, day: str) -> bool:
        """Whether a day, as `2026-11-28`, lies in it."""
        begin, end = self.begin, self.end
        return (begin is None or begin.isoformat() <= day) and (
            end is None or day <= end.isoformat()
        )

    def __str__(self) -> str:
        begin = f"from {self.begin} " if self.begin else ""
        return f"{begin}until {self.end}" if self.end else begin.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement.

    Attributes:
        id: its name in findings.
        stage: when it is asked.
        condition: what must be true; None where a person's word is all.
        attest: what a person must vouch for; None where nothing is.
        because: the reason, for people.
        warns: whether breaking it warns only.
        law: the instrument that asks for it.
        article: where in it.
        uncertain: what is not settled about it.
        remedy: what to do when it is broken.
        effective: when it holds.
        jurisdiction: where it holds; everywhere when empty.
        key: the name under which a person vouches for it, `policy/rule`.
    """

    id: str
    stage: Stage
    condition: Expression | None
    attest: AttestDocument | None = None
    because: str
    warns: bool = False
    law: str | None = None
    article: str | None = None
    uncertain: str | None = None
    remedy: str | None = None
    effective: Period = Period()
    jurisdiction: tuple[str, ...] = ()
    key: str

    @property
    def facts(self) -> frozenset[str]:
        """Which it speaks of."""
        return frozenset() if self.condition is None else self.condition.facts

    @property
    def require(self) -> str:
        """Its condition as it was written; empty where a person's word is all."""
        return "" if self.condition is None else self.condition.text

    @property
    def source(self) -> str:
        """Where it comes from, as `EU AI Act, article 50(2)`; empty where no law asks for it."""
        return ", ".join(each for each in (self.law, self.article) if each)

    def met(self, facts: Facts) -> RuleFinding:
        """What it says when its condition is true, and so only somebody's word can be missing."""
        return self._finding("passed", "") if self.attest is None else self._attested(facts)

    def judge(self, facts: Facts, activation: Any) -> RuleFinding:  # noqa: ANN401 - CEL's own
        """Say what it makes of facts of its own stage."""
        away = self.away(facts)
        if away is not None:
            return away
        missing = sorted(name for name in self.facts if name not in facts.known)
        if missing:
            return self._error(_unknown(missing, facts))
        if self.condition is not None:
            value = self.condition.evaluate(activation)
            if value is not True:
                return self._broken() if value is False else self._error(str(value))
        return self.met(facts)

    def foresee(self, facts: Facts, activation: Any) -> RuleFinding | None:  # noqa: ANN401 - likewise
        """Evaluate on what is known before anything is made.

        CEL evaluates in part: `request.label != 7 && output.screens.contrast > 0.1` is false of a
        seven, whatever its contrast, and unknown of all else.

        Returns:
            None where the answer depends on the output, or none can be given yet.
        """
        away = self.away(facts)
        if away is not None:
            return None if away.outcome == "error" else away
        value = True if self.condition is None else self.condition.evaluate(activation)
        if value is False:
            return self._broken()
        if value is not True or not self.facts <= facts.known.keys():
            return None
        return self.met(facts)

    def away(self, facts: Facts) -> RuleFinding | None:
        """What it says where it does not hold, or where that cannot be told."""
        needed = [DATE] * (self.effective != Period()) + [PLACES] * bool(self.jurisdiction)
        missing = [name for name in needed if name not in facts.known]
        if missing:
            return self._error(f"whether it applies is not known: {_unknown(missing, facts)}")
        if DATE in needed and not self.effective.holds(str(facts.known[DATE])):
            return self._finding("not_applicable", f" It holds {self.effective}.")
        if PLACES in needed and not meet(self.jurisdiction, _texts(facts.known[PLACES])):
            return self._finding("not_applicable", f" It holds in {', '.join(self.jurisdiction)}.")
        return None

    def _attested(self, facts: Facts) -> RuleFinding:
        assert self.attest is not None
        if self.key in facts.attested:
            return self._finding("passed", f" Vouched for by {facts.attested[self.key]}.")
        need = f" Nobody vouches for it; it takes the word of {self.attest.who}."
        return self._finding("warned" if self.warns else "failed", need + self._remedy())

    def _broken(self) -> RuleFinding:
        return self._finding("warned" if self.warns else "failed", self._remedy())

    def _error(self, reason: str) -> RuleFinding:
        text = f" It could not be evaluated: {reason}"
        return self._finding("warned" if self.warns else "error", text)

    def _remedy(self) -> str:
        return f" {self.remedy}" if self.remedy else ""

    def _finding(self, outcome: Outcome, more: str) -> RuleFinding:
        source = f" ({self.source})" if self.source else ""
        return RuleFinding(rule=self.id, outcome=outcome, text=f"{self.because}{source}{more}")


def _unknown(missing: Sequence[str], facts: Facts) -> str:
    """Which facts are not known, and how they would be."""
    reasons = [facts.failures[name.rpartition(".")[2]] for name in missing if _failed(name, facts)]
    group = next((each for each in HINTS if missing[0].startswith(f"{each}.")), None)
    hint = reasons[0] if reasons else HINTS.get(group or "", "")
    return f"{', '.join(missing)} is not known" + (f"; {hint}" if hint else "")


def _failed(name: str, facts: Facts) -> bool:
    return name.startswith("output.screens.") and name.rpartition(".")[2] in facts.failures


def _texts(value: Fact) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)
