"""What a policy said of one request or one output, with every reason.

{
  "policy": "baseline", "policy_digest": "sha256:...", "stage": "release", "allowed": true,
  "findings": [
    {"rule": "output-signed", "outcome": "passed",
     "text": "An output leaves only when a signer stands ready for it."}
  ]
}
"""

from __future__ import annotations

from typing import Literal

from safegen.schemas.canonical import Record

Stage = Literal["request", "release", "publish"]


class RuleFinding(Record):
    """One rule's answer; `error` (a rule that could not be evaluated) refuses like `failed`.

    Attributes:
        rule: the rule's name in the policy.
        outcome: whether what it requires is plainly true.
        text: what it requires, in the policy's words.
    """

    rule: str
    outcome: Literal["passed", "failed", "error"]
    text: str


class Decision(Record):
    """All findings of a policy at one stage; `allowed` only when every one of them passed.

    Attributes:
        policy: the policy's name.
        policy_digest: of the policy's file.
        stage: whether a request was judged, an output before it left, or a finished file before
            somebody publishes it.
        allowed: whether every rule of the stage passed.
        findings: one a rule, in the policy's order.
    """

    policy: str
    policy_digest: str
    stage: Stage
    allowed: bool
    findings: tuple[RuleFinding, ...]
