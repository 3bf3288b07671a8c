"""What a policy said of one request or one output, with every reason.

{
  "policy": "baseline", "policy_digest": "sha256:...", "stage": "release", "allowed": true,
  "findings": [
    {"rule": "output-signed", "outcome": "passed",
     "text": "An output leaves only when a signer stands ready for it."}
  ]
}

Where several policies held together, `policies` names each, `policy_digest` is the digest of that
list, and each rule has its policy's name in front: `baseline/output-signed`. What is null stands
nowhere in the record, so that what 0.1 signed has the bytes that it had.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from safegen.schemas.canonical import Record

Stage = Literal["train", "request", "release", "publish"]
Outcome = Literal["passed", "failed", "error", "warned", "not_applicable"]
# Outcomes that stop nothing; whatever else is said, or not said, denies.
LETS_PASS: frozenset[str] = frozenset({"passed", "warned", "not_applicable"})


def _is_absent(value: Any) -> bool:  # noqa: ANN401 - of any field
    return value is None


class RuleFinding(Record):
    """One rule's answer; `error` (a rule that could not be evaluated) refuses like `failed`.

    Attributes:
        rule: the rule's name in the policy.
        outcome: whether what it requires is plainly true; `warned` where it is not and the rule
            only warns, `not_applicable` where the rule does not hold there or then.
        text: what it requires, in the policy's words.
    """

    rule: str
    outcome: Outcome
    text: str


class Identity(Record):
    """Something that took part in a decision.

    Attributes:
        name: its own.
        digest: of its file; of a screen, of all that it is.
        file_digest: of the network that a screen runs; left out where it runs none.
    """

    name: str
    digest: str
    file_digest: str | None = Field(default=None, exclude_if=_is_absent)


class Decision(Record):
    """All findings of a policy at one stage; `allowed` only when none of them stops it.

    Attributes:
        policy: the policy's name; of several that held together, all names with ` + ` between.
        policy_digest: of the policy's file.
        stage: whether a training was judged before it spent anything, a request, an output before
            it left, or a finished file before somebody publishes it.
        allowed: whether every rule of the stage that applies passed, or only warns.
        findings: one a rule, in the policy's order.
        policies: each policy, where several held together.
        screens: what measured, with the digest of each; where none did, it is left out.
        deployment: the digest of the deployment's file, where there was one.
    """

    policy: str
    policy_digest: str
    stage: Stage
    allowed: bool
    findings: tuple[RuleFinding, ...]
    policies: tuple[Identity, ...] | None = Field(default=None, exclude_if=_is_absent)
    screens: tuple[Identity, ...] | None = Field(default=None, exclude_if=_is_absent)
    deployment: str | None = Field(default=None, exclude_if=_is_absent)
