"""Which duties a deployment meets, misses, or leaves to a person; evidence, and no legal advice.

{"format": "safegen.gap-report/1", "subject": "runs/digits", "policy": "eu-ai-act-art50", ...,
 "rows": [{"rule": "detectable", "state": "missed", "source": "..., article 50(2)",
           "text": "...", "todo": "Offer a page that verifies an output, ..."}]}
"""

from __future__ import annotations

from typing import Literal

from safegen.schemas.canonical import Record
from safegen.schemas.decision import Stage

GapState = Literal["met", "missed", "attested", "unknown", "not_applicable"]


class GapRow(Record):
    """One rule.

    Attributes:
        rule: its name; with its policy's in front where there are several.
        stage: when it would be asked.
        source: the law and the article; empty where no law asks for it.
        state: whether it is met; `attested` where somebody's word is what meets it, `unknown` where
            a fact is missing, `not_applicable` where it does not hold there or then.
        warns: whether breaking it would stop nothing.
        text: what it asks, and why it is in that state.
        uncertain: what is not settled about that law; null where nothing is.
        todo: what to do; null where nothing is to be done.
    """

    rule: str
    stage: Stage
    source: str
    state: GapState
    warns: bool
    text: str
    uncertain: str | None = None
    todo: str | None = None


class GapReport(Record):
    """All rules of policies, asked about one package or output.

    Attributes:
        format: the format's name and version.
        subject: the package or file, as it was named.
        kind: which of the two it is.
        standing: what is known of whoever signed it, in words.
        policy: the policies' names.
        policy_digest: of their list, or of the one.
        deployment: the digest of the deployment's file; null without one.
        date: when it was asked, in UTC.
        rows: one a rule.
    """

    format: Literal["safegen.gap-report/1"] = "safegen.gap-report/1"
    subject: str
    kind: Literal["package", "output"]
    standing: str
    policy: str
    policy_digest: str
    deployment: str | None = None
    date: str
    rows: tuple[GapRow, ...]

    def count(self, state: GapState) -> int:
        """How many rules are in a state."""
        return sum(row.state == state for row in self.rows)
