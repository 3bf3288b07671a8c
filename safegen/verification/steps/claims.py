"""The steps about what safegen's own assertions claim: fingerprint, release, privacy, policy."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import DataError
from safegen.privacy.accounting.recompute import faults
from safegen.provenance.c2pa import claims
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.decision import LETS_PASS, Decision
from safegen.verification.findings import found, worst

if TYPE_CHECKING:
    from safegen.provenance.c2pa.claims import Json
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

MAX_CACHED_FINDINGS = (
    64  # findings about claims that many files share, such as their model's certificate
)


def check_fingerprint(evidence: Evidence) -> StepFinding:
    """8. The perceptual code is computed again and compared."""
    bindings = evidence.manifest.said("c2pa.soft-binding")
    judged = [_judge_fingerprint(each, evidence) for each in bindings]
    known = [each for each in judged if each is not None]
    if not known:
        text = "It describes no fingerprint that is known here."
        return found("safegen.fingerprint.none", text)
    return worst(known)


def _judge_fingerprint(binding: Json, evidence: Evidence) -> StepFinding | None:
    """The finding; None where no kind of data here has such a fingerprint."""
    from safegen.modality import image_code
    from safegen.modality.registry import by_fingerprint

    kind = by_fingerprint(binding.get("alg"))
    if kind is None:
        return None
    described = image_code.decode(_first_block(binding))
    if described is None:
        text = "The described fingerprint cannot be read."
        return found("safegen.fingerprint.unreadable", text)
    try:
        seen = kind.fingerprint(evidence.data, to_compare=True)
    except DataError as error:
        text = f"The {kind.one} cannot be looked at: {error}."
        return found("safegen.fingerprint.unreadable", text)
    if seen is None:
        return None
    share = image_code.difference(described, seen)
    if share > image_code.MAX_DIFFERING_SHARE:
        text = f"The {kind.one} is not the one described: {share:.0%} of its fingerprint differs."
        return found("safegen.fingerprint.differs", text)
    text = f"The {kind.one} is the one described ({share:.0%} of its fingerprint differs)."
    return found("safegen.fingerprint.alike", text)


def check_privacy(evidence: Evidence) -> StepFinding:
    """10. epsilon is recomputed from the events in the manifest, not believed."""
    stated = evidence.manifest.said(claims.PRIVACY)
    if not stated:
        text = "It makes no privacy claim."
        if evidence.manifest.said(claims.PRIVACY, created=False):
            text = "Its signer makes no privacy claim, but gathered one that nobody stands for."
        return found("safegen.privacy.none", text)
    return worst(_judge_privacy(json.dumps(each)) for each in stated)


def check_policy(evidence: Evidence) -> StepFinding:
    """11. The decision in the manifest allowed it, and its findings say the same."""
    own, others = (evidence.manifest.said(claims.DECISION, created=own) for own in (True, False))
    judged = [_judge_decision(json.dumps(each)) for each in (*own, *others)]
    refusals = [each for each in judged if each.outcome == "failed"]
    if refusals or own:  # a refusal counts, whoever's it is; an allowance is its signer's or none
        return (refusals or judged)[0]
    text = "It carries no policy decision."
    if others:
        text = "Its signer states no policy decision, but gathered one that nobody stands for."
    return found("safegen.policy.none", text)


@functools.lru_cache(maxsize=MAX_CACHED_FINDINGS)
def _judge_privacy(stated: str) -> StepFinding:
    """The finding about a certificate; kept, because a model's outputs all carry the same."""
    try:
        certificate = PrivacyCertificate.model_validate_json(stated)
    except ValidationError as error:
        text = f"Its privacy claim cannot be read: {_first_problem(error)}."
        return found("safegen.privacy.unreadable", text)
    wrong = faults(certificate)
    if wrong:
        return found("safegen.privacy.differs", " ".join(wrong))
    claim = f"epsilon {certificate.epsilon:.4f} at delta {certificate.delta:.2e}"
    text = (
        f"{claim}, for {certificate.difference()}, follows from its "
        f"{sum(event.count for event in certificate.events)} events{_attacked(certificate)}."
    )
    return found("safegen.privacy.recomputed", text)


@functools.lru_cache(maxsize=MAX_CACHED_FINDINGS)
def _judge_decision(stated: str) -> StepFinding:
    try:
        decision = Decision.model_validate_json(stated)
    except ValidationError as error:
        text = f"Its policy decision cannot be read: {_first_problem(error)}."
        return found("safegen.policy.unreadable", text)
    broken = [finding.rule for finding in decision.findings if finding.outcome not in LETS_PASS]
    if broken or not decision.allowed or not decision.findings:
        text = (
            f"Policy {decision.policy} did not allow it: {', '.join(broken) or 'no rule passed'}."
        )
        return found("safegen.policy.refused", text)
    text = (
        f"Policy {decision.policy} ({decision.policy_digest[:15]}...) allowed it: all "
        f"{len(decision.findings)} rules of its {decision.stage} stage passed."
    )
    return found("safegen.policy.allowed", text)


def _attacked(certificate: PrivacyCertificate) -> str:
    """What an attack on the run could prove, for the end of a sentence."""
    bound = certificate.lower_bound
    if bound is None:
        return "; no attack was measured"
    return f"; {bound.in_words()}"


def _first_block(binding: Json) -> str:
    match binding.get("blocks"):
        case [{"value": str(value)}, *_]:
            return value
    return ""


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
