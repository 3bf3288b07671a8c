"""One compiled rule in CEL, the Common Expression Language; the only importer of its evaluator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from safegen.errors import PolicyError
from safegen.policy.facts import AdmissionFacts, PublishFacts, ReleaseFacts, flatten, types_of
from safegen.schemas.decision import RuleFinding, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from safegen.policy.facts import Facts, ForeseenFacts

FACTS_AT: Mapping[Stage, type[Facts]] = {
    "request": AdmissionFacts,
    "release": ReleaseFacts,
    "publish": PublishFacts,
}
_CEL_TYPES = {
    str: cel.Type.STRING,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    bool: cel.Type.BOOL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement.

    Attributes:
        id: its name in findings.
        stage: when it is asked.
        require: the expression that must be true.
        because: the reason, for people.
        facts: which it speaks of.
    """

    id: str
    stage: Stage
    require: str
    because: str
    facts: frozenset[str]
    _compiled: Any

    def judge(self, facts: Facts) -> RuleFinding:
        """Evaluate on facts of the rule's own stage; whatever is not plainly true refuses.

        cel-expr-python does not raise when evaluation fails: it returns an ERROR value whose
        content is a non-empty, truthy text. Only `True` itself is accepted.
        """
        value = self._compiled.eval(data=flatten(facts)).value()
        if value is True:
            return RuleFinding(rule=self.id, outcome="passed", text=self.because)
        if value is False:
            return RuleFinding(rule=self.id, outcome="failed", text=self.because)
        return RuleFinding(
            rule=self.id, outcome="error", text=f"{self.because} It could not be evaluated: {value}"
        )

    def foresee(self, facts: ForeseenFacts) -> RuleFinding | None:
        """Evaluate a rule of the release on what is known before anything is made.

        CEL evaluates in part: `request.label != 7 && output.contrast > 0.1` is false of a seven,
        whatever its contrast, and unknown of all else.

        Returns:
            None where the answer depends on the output, or none can be given yet.
        """
        value = self._compiled.eval(data=flatten(facts)).value()
        return self.judge(facts) if value is True or value is False else None


def compile_rule(
    *,
    id: str,  # noqa: A002 - the word in the file
    stage: Stage,
    require: str,
    because: str,
    key: str,
    screens: Iterable[str] = (),
) -> Rule:
    """Compile a rule against the facts of its stage.

    Args:
        id: its name in findings.
        stage: when it is asked.
        require: a CEL expression of type bool.
        because: the reason, for people.
        key: where the expression stands in its file, for error messages.
        screens: names of the screens whose scores it may judge.

    Raises:
        PolicyError: the expression has a typo, names no known fact, or is not a condition.
    """
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", require)
    if "//" in bare:
        raise PolicyError(f"{key}: a comment (//) hides whatever follows it; leave it out")
    types = types_of(FACTS_AT[stage], screens)
    environment = cel.NewEnv(variables={name: _CEL_TYPES[kind] for name, kind in types.items()})
    try:
        compiled = environment.compile(require)
    except (RuntimeError, TypeError) as error:
        raise PolicyError(f"{key}: {_explain(str(error), types)}") from error
    if compiled.return_type() != cel.Type.BOOL:
        raise PolicyError(
            f"{key}: {require!r} is a {compiled.return_type().name()}, not a condition"
        )
    return Rule(
        id=id,
        stage=stage,
        require=require,
        because=because,
        facts=frozenset(name for name in types if re.search(rf"\b{re.escape(name)}\b", bare)),
        _compiled=compiled,
    )


def _explain(error: str, types: Iterable[str]) -> str:
    """The evaluator's message in one line, with a hint at the usual causes."""
    reason = (
        error.split("\n", maxsplit=1)[0]
        .rsplit("<input>:", maxsplit=1)[-1]
        .removeprefix("INVALID_ARGUMENT: ")
    )
    if "undeclared reference" in error:
        return f"{reason}; facts at this stage: {', '.join(sorted(types))}"
    if "(double, int)" in error:
        return f"{reason}; write whole numbers with a point beside a fraction, such as 10.0"
    return reason
