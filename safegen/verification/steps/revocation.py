"""The step about what was taken back: the signer's key, the model, or exactly this file.

A list counts for the files of its own house (`keys.house`). What an authority on a list of
time-stamps saw signed before the moment of the revocation stays good, whatever became of the key or
the model afterwards. Without such a stamp nothing proves when a key that was stolen signed. A file
that is itself taken back stays so.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import SIGNED
from safegen.provenance.keys.house import certificates, key_id, same_house
from safegen.provenance.log.revocation import outlives
from safegen.schemas.canonical import digest
from safegen.schemas.config import PackageDigests
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.log.revocation import BelievedList
    from safegen.schemas.revocation import Revocation
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

WORDS = {"key": "the key that signed it", "model": "the model that made it", "output": "this file"}
CODES = {
    "key": "safegen.revocation.key",
    "model": "safegen.revocation.model",
    "output": "safegen.revocation.output",
}


def check_revocation(evidence: Evidence) -> StepFinding:
    """7. No list of the signer's house takes back the file, its model, or the signer's key."""
    if not evidence.revoked:
        text = "Whether it was taken back was not asked: no revocation list was given (--revoked)."
        return found("safegen.revocation.none", text)
    if SIGNED not in evidence.manifest.successes:
        text = "Its signature does not hold, so it cannot be told whose list would count."
        return found("safegen.revocation.unclear", text)
    lists = _own(evidence)
    if not lists:
        text = "None of the revocation lists that were given is of its signer's house."
        return found("safegen.revocation.others", text)
    hits = [(each, hit) for each in lists for hit in _hits(evidence, each)]
    against = [(each, hit) for each, hit in hits if not outlives(hit, evidence.manifest.seen_at)]
    if against:
        return found(CODES[against[0][1].what], _refused(*against[0]))
    names = ", ".join(f"{each.name} of {each.content.time}" for each in lists)
    if not hits:
        return found("safegen.revocation.clear", f"Nothing of it was taken back, says {names}.")
    _, hit = hits[0]
    stamp = evidence.manifest.time_stamp
    when = "" if stamp is None else f" at {stamp.time}, says {stamp.authority}"
    text = f"Since {hit.since} {WORDS[hit.what]} is revoked ({hit.reason}); it was signed before"
    return found("safegen.revocation.before", f"{text}{when}.")


def models_of(manifest: Manifest) -> Iterator[str]:
    """The names of the models that a manifest is of, or says that it was made by."""
    for package in manifest.said(claims.PACKAGE):
        with contextlib.suppress(ValidationError):
            yield digest(PackageDigests.model_validate(package))
    for disclosure in manifest.said(claims.DISCLOSURE):
        named = disclosure.get("modelIdentifier")
        if isinstance(named, str):
            yield named


def _own(evidence: Evidence) -> list[BelievedList]:
    anchors = certificates(evidence.anchors)
    chain = evidence.manifest.chain
    return [each for each in evidence.revoked if same_house(chain, each.chain, anchors)]


def _hits(evidence: Evidence, believed: BelievedList) -> Sequence[Revocation]:
    """What a list takes back of a file, the gravest first."""
    asked = (
        believed.find("output", evidence.digest),
        believed.find("key", key_id(evidence.manifest.chain[0])),
        *(believed.find("model", each) for each in models_of(evidence.manifest)),
    )
    return [each for each in asked if each is not None]


def _refused(believed: BelievedList, hit: Revocation) -> str:
    why = f"{hit.reason}: {hit.note}" if hit.note else hit.reason
    said = f"Since {hit.since} {WORDS[hit.what]} is revoked ({why}), says {believed.name}"
    if hit.what == "output":
        return f"{said}."
    return f"{said}; no trusted authority says that it was signed before (--time-trust)."
