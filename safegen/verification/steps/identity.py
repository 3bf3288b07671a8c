"""The step about persons and organisations who stand for a file, beside its signer.

It says nothing of the file's bytes. What cannot be told without asking somebody is not asked and
not held against the file; a statement that is false is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.provenance.c2pa.manifest.identities import UNLISTED
from safegen.verification.findings import found

if TYPE_CHECKING:
    from safegen.provenance.c2pa.manifest.identities import Identity
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

MAX_NAME_LETTERS = 120  # letters of a name that a sentence shows; the verdict has all of them
MAX_NAMED = 3  # persons that a finding names; the verdict has all of them
WORDS = {  # by reason, the worst first
    "broken": "It says that {who} stands for it, which is false: {why}.",
    "unknown": "It says that {who} stands for it, and no list that you gave vouches for that.",
    "unclear": "It says that {who} stands for it, in a way that cannot be checked here.",
    "lapsed": "It says that {who} stands for it; that is out of date, and proves nothing.",
    "unasked": (
        "It says that {who} stands for it; whether that is so, only {aggregator} could say, and it "
        "was not asked: nothing leaves this machine."
    ),
    "no-list": (
        "It says that {who} stands for it, and nobody vouches for that: name whom you trust about "
        "identities with --identity-trust."
    ),
    "trusted": "{who} stands for it; your list {list} vouches for that.",
}
CODES = {
    "broken": "safegen.identity.broken",
    "unknown": "safegen.identity.unknown",
    "unclear": "safegen.identity.unclear",
    "lapsed": "safegen.identity.lapsed",
    "unasked": "safegen.identity.unasked",
    "no-list": "safegen.identity.no-list",
    "trusted": "safegen.identity.trusted",
}


def check_identity(evidence: Evidence) -> StepFinding:
    """5. Whoever is said to stand for it does, and a list that was given vouches for that."""
    identities = evidence.manifest.identities
    if not identities:
        text = "It names nobody who stands for it beside its signer."
        return found("safegen.identity.none", text)
    trusting = evidence.trust is not None and bool(evidence.trust.identities)
    reasons = [(_reason(each, trusting=trusting), each) for each in identities]
    reasons.sort(key=lambda pair: list(WORDS).index(pair[0]))
    text = " ".join(_told(reason, each) for reason, each in reasons[:MAX_NAMED])
    if len(reasons) > MAX_NAMED:
        text += f" {len(reasons) - MAX_NAMED} more are said to stand for it."
    codes = [code for _, each in reasons for code in each.codes]
    return found(CODES[reasons[0][0]], text, dict.fromkeys(codes))


def _reason(identity: Identity, *, trusting: bool) -> str:
    if identity.state == "unlisted":
        return "unknown" if trusting else "no-list"
    return identity.state


def _told(reason: str, identity: Identity) -> str:
    aggregator = None if identity.vouched_by is None else _short(identity.vouched_by)
    by = "" if aggregator is None else f" (in the word of {aggregator})"
    return WORDS[reason].format(
        who=f"{_short(identity.name)}{by}",
        aggregator=aggregator,
        list=identity.trusted_by,
        why="; ".join(
            text or code for code, text in identity.codes.items() if code not in UNLISTED
        ),
    )


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LETTERS else f"{name[:MAX_NAME_LETTERS]}..."
