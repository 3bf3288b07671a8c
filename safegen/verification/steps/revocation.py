"""The step about what was taken back: the signer's key, the model, a policy, or exactly this file.

A log that was named is asked as well: it counts as the list that whoever signed its head would sign
of it. A list counts for the files of its own house (`keys.house`), and its models for what was made
from those: an explanation's picture, an edited copy, whoever signed it. What an authority on a list
of time-stamps saw signed before the moment of the revocation stays good, whatever became of key,
model or policy afterwards. Without such a stamp nothing proves when a key that was stolen signed. A
file that is itself taken back stays so.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import TamperedError
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import SIGNED
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.log.checkpoints import checkpoint_error
from safegen.provenance.log.revocation import outlives, revoker_error
from safegen.provenance.log.taken_back import as_list
from safegen.schemas.canonical import digest
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.c2pa.manifest.ancestry import Ancestor
    from safegen.provenance.log.revocation import BelievedList
    from safegen.provenance.log.taken_back import Named
    from safegen.schemas.revocation import Revocation
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

WORDS = {
    "key": "the key that signed it",
    "model": "the model that made it",
    "policy": "a policy that let it out",
    "output": "this file",
}
CODES = {
    "key": "safegen.revocation.key",
    "model": "safegen.revocation.model",
    "policy": "safegen.revocation.policy",
    "output": "safegen.revocation.output",
}


def check_revocation(evidence: Evidence) -> StepFinding:
    """7. No list or log of the signer's house takes back file, model, policy or signer's key."""
    asked = (*evidence.revoked, *_lists_of_logs(evidence))
    if not asked:
        text = "Whether it was taken back was not asked: no revocation list was given (--revoked)."
        return found("safegen.revocation.none", text)
    if SIGNED not in evidence.manifest.successes:
        text = "Its signature does not hold, so it cannot be told whose list would count."
        return found("safegen.revocation.unclear", text)
    evidence = dataclasses.replace(evidence, revoked=asked)
    lists = list(_counting(evidence))
    if not lists:
        text = "None of the revocation lists that were given is of its signer's house."
        return found("safegen.revocation.others", text)
    hits = [*_own_hits(evidence), *_inherited_hits(evidence)]
    against = [each for each in hits if not outlives(each.hit, evidence.manifest.seen_at)]
    if against:
        return found(CODES[against[0].hit.what], against[0].refusal())
    names = ", ".join(f"{each.name} of {each.content.time}" for each in lists)
    if not hits:
        return found("safegen.revocation.clear", f"Nothing of it was taken back, says {names}.")
    first, stamp = hits[0], evidence.manifest.time_stamp
    when = "" if stamp is None else f" at {stamp.time}, says {stamp.authority}"
    text = f"Since {first.hit.since} {first.named} is revoked ({first.hit.reason}); it was signed"
    return found("safegen.revocation.before", f"{text} before{when}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """What a list takes back of a file; `named` says what that is to the file."""

    believed: BelievedList
    hit: Revocation
    named: str

    def refusal(self) -> str:
        why = f"{self.hit.reason}: {self.hit.note}" if self.hit.note else self.hit.reason
        said = f"Since {self.hit.since} {self.named} is revoked ({why}), says {self.believed.name}"
        if self.hit.what == "output":
            return f"{said}."
        return f"{said}; no trusted authority says that it was signed before (--time-trust)."


def models_of(manifest: Manifest | Ancestor) -> Iterator[str]:
    """The names of the models that a manifest is of, or says that it was made by."""
    from safegen.schemas.config import PackageDigests  # where nothing is asked, it costs its time

    for package in manifest.said(claims.PACKAGE):
        with contextlib.suppress(ValidationError):
            yield digest(PackageDigests.model_validate(package))
    for disclosure in manifest.said(claims.DISCLOSURE):
        named = disclosure.get("modelIdentifier")
        if isinstance(named, str):
            yield named


def policies_of(manifest: Manifest | Ancestor) -> Iterator[str]:
    """The digests of the policies that let a file out, each of several and all together."""
    for decision in manifest.said(claims.DECISION):
        parts = decision.get("policies")
        listed = (
            [each for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []
        )
        for named in (decision.get("policy_digest"), *(each.get("digest") for each in listed)):
            if isinstance(named, str):
                yield named


def _lists_of_logs(evidence: Evidence) -> Iterator[BelievedList]:
    """What each log that was named takes back of a file, where its head is believed."""
    anchors, manifest = evidence.anchors, evidence.manifest
    if not evidence.ledgers or anchors is None or SIGNED not in manifest.successes:
        return
    made_by = (*models_of(manifest), *(m for a in manifest.ancestors for m in models_of(a)))
    named: tuple[Named, ...] = (
        ("output", evidence.digest),
        ("key", key_id(manifest.chain[0])),
        *(("model", each) for each in dict.fromkeys(made_by)),
        *(("policy", each) for each in dict.fromkeys(policies_of(manifest))),
    )
    for log in evidence.ledgers:
        with contextlib.suppress(TamperedError):  # which the step about ledgers tells
            head, told = log.log.taken_back(named)
            if head is None or checkpoint_error(head, anchors) is not None:
                continue
            chain = certificates(head.signature.chain if head.signature else None)
            roots = certificates(anchors)
            believed = (each for each in told if revoker_error(each, chain, roots) is None)
            yield as_list(head, tuple(believed), log.name)


def _counting(evidence: Evidence) -> Iterator[BelievedList]:
    """The lists that count for the file's signer, or for one of what it was made from."""
    anchors = certificates(evidence.anchors)
    manifest = evidence.manifest
    chains = [manifest.chain, *(each.chain for each in manifest.ancestors)]
    for each in evidence.revoked:
        if any(each.counts_for(chain, anchors) for chain in chains):
            yield each


def _own_hits(evidence: Evidence) -> Iterator[_Hit]:
    """What lists of its signer's house take back of a file, the gravest first."""
    manifest, anchors = evidence.manifest, certificates(evidence.anchors)
    for each in evidence.revoked:
        if not each.counts_for(manifest.chain, anchors):
            continue
        asked = (
            each.find("output", evidence.digest),
            each.find("key", key_id(manifest.chain[0])),
            *(each.find("model", model) for model in models_of(manifest)),
            *(each.find("policy", policy) for policy in policies_of(manifest)),
        )
        for hit in asked:
            if hit is not None:
                yield _Hit(believed=each, hit=hit, named=WORDS[hit.what])


def _inherited_hits(evidence: Evidence) -> Iterator[_Hit]:
    """Models that made what a file was made from, taken back by whoever signed that."""
    anchors = certificates(evidence.anchors)
    for ancestor in evidence.manifest.ancestors:
        for each in evidence.revoked:
            if not each.counts_for(ancestor.chain, anchors):
                continue
            for hit in (each.find("model", model) for model in models_of(ancestor)):
                if hit is not None:
                    named = f"the model behind {ancestor.title}, from which it was made,"
                    yield _Hit(believed=each, hit=hit, named=named)
