"""Law to rule to control to test, as a document: `python -m safegen.policy.coverage FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.policy.load import load_policy, shipped_policies
from safegen.policy.own_tests import run_tests
from safegen.storage import write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from safegen.policy.policy import Policy
    from safegen.policy.rules import Rule

HEAD = """# What laws ask, and what answers

Made by `python -m safegen.policy.coverage docs/compliance.md` from the
[policies](policies.md#packs) that come with safegen: each article with the rule that asks for it,
what that rule looks at, and the tests inside the policy that show it refuse. safegen gives
evidence; it does not give legal advice. What is not settled is marked **uncertain**.

`safegen policy gap MODEL --policy NAME --deployment deployment.yaml` says the same of one
deployment: met, missed, attested by whom, not applicable, and what to do; `--html gap.html` makes a
page of it.
"""
CONTROLS: Mapping[str, str] = {  # by the beginning of a fact's name
    "certificate.": "the privacy certificate, recomputed from its events",
    "data.": "the data set's card",
    "deployment.": "the deployment's file",
    "explanation.": "the signed explanation",
    "manifest.": "the signed manifest",
    "marks.": "marks of the output",
    "output.screens.": "a screen",
    "output.": "the output's file",
    "plan.": "the plan, before its budget is asked",
    "request.": "the request",
    "time.": "the date",
}


def as_markdown() -> str:
    """The document."""
    laws = [load_policy(name) for name in shipped_policies() if name != "baseline"]
    return "\n".join([HEAD, *(line for policy in laws for line in _section(policy))])


def controls(rule: Rule) -> tuple[str, ...]:
    """What a rule looks at, in words, each once."""
    found = [
        next(text for start, text in CONTROLS.items() if name.startswith(start))
        for name in sorted(rule.facts)
    ]
    word = [f"the word of {rule.attest.who}"] if rule.attest else []
    return tuple(dict.fromkeys([*found, *word]))


def _section(policy: Policy) -> Iterator[str]:
    yield f"## {policy.law}\n"
    yield f"`{policy.name}`: {policy.description}\n"
    yield "| where | rule | asks | looks at | shown by its tests |"
    yield "| --- | --- | --- | --- | --- |"
    results = run_tests(policy)
    for rule in policy.rules:
        shown = [
            result.test.it
            for result in results
            if result.test.expect.get(rule.id) in {"failed", "warned"}
        ]
        asks = rule.because + (f" {rule.attest.what}" if rule.attest else "")
        asks += f" **Uncertain:** {rule.uncertain}" if rule.uncertain else ""
        when = f" ({rule.effective})" if str(rule.effective) else ""
        severity = ", warns" if rule.warns else ""
        yield (
            f"| {rule.article}{when} | `{rule.id}` at {rule.stage}{severity} | {asks} | "
            f"{'; '.join(controls(rule))} | {'; '.join(shown)} |"
        )
    yield ""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m safegen.policy.coverage FILE")
    write(Path(sys.argv[1]), as_markdown().encode())
