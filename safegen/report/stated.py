"""What a manifest says of privacy, policy, explanation and request, in plain words; pure.

Whether it is so, the verdict's steps tell; here only what is said is put into sentences. What
cannot be read gives none, since a step has told that already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from safegen.provenance.c2pa import claims
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.decision import Decision
from safegen.schemas.explanation import BELIEVABLE_GAP, ExplanationSummary, FirstExplanationSummary
from safegen.schemas.receipt import GenerationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_ODDS = 1e9  # factors beyond it say nothing
_SUMMARY_READER: TypeAdapter[ExplanationSummary | FirstExplanationSummary] = TypeAdapter(
    ExplanationSummary | FirstExplanationSummary
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a signer says in safegen's own statements.

    Attributes:
        model: the generator's name and digest.
        request: what was asked for.
        privacy: what the model may tell of a record.
        policy: by which rules it was allowed to leave, or not.
        explanation: what made it as it is.
    """

    model: tuple[str, ...] = ()
    request: tuple[str, ...] = ()
    privacy: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()


def stated_in(statements: Iterable[Any]) -> Stated:
    """Sentences about the statements that a manifest's signer stands for.

    Args:
        statements: as `schemas.inspection.Inspection.manifest` lists them.
    """
    own = [each for each in statements if each["created"]]

    def of(label: str, tell: Callable[[Any], tuple[str, ...]]) -> tuple[str, ...]:
        return next((_told(tell, each["data"]) for each in own if each["label"] == label), ())

    return Stated(
        model=of(claims.DISCLOSURE, model_in_words),
        request=of(claims.REQUEST, request_in_words),
        privacy=of(claims.PRIVACY, privacy_in_words),
        policy=of(claims.DECISION, decision_in_words),
        explanation=of(claims.EXPLANATION, explanation_in_words),
    )


def _told(tell: Callable[[Any], tuple[str, ...]], data: object) -> tuple[str, ...]:
    try:
        return tell(data)
    except (ValidationError, KeyError, TypeError, ValueError, OverflowError):
        return ()


def model_in_words(data: Any) -> tuple[str, ...]:  # noqa: ANN401 - a statement as it came
    """The generator that a file came from."""
    return (f"The model {data['modelName']}, {data['modelIdentifier']}.",)


def request_in_words(data: Any) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    """What was asked of it."""
    request = GenerationRequest.model_validate(data)
    place = f"number {request.index + 1} of {request.count}"
    asked = f"of the class {request.label_name}, {place}, seed {request.seed}"
    return (f"Asked for: {asked}.", f"Purpose, in the words of whoever asked: {request.purpose}")


def privacy_in_words(data: Any) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    """What epsilon and delta mean for one who was in the data."""
    certificate = PrivacyCertificate.model_validate(data)
    unit, factor = certificate.unit, math.exp(min(certificate.epsilon, 700.0))
    figure = f"{factor:.2f}" if factor < 10 else f"{factor:,.0f}"
    odds = f"at most {figure} times" if factor < MAX_ODDS else "more than a billion times"
    return (
        (
            f"Learnt from {certificate.data.size()} of {certificate.data.name} within epsilon "
            f"{certificate.epsilon:.2f} at delta {certificate.delta:.1e}."
        ),
        (
            f"In plain words: whatever somebody concludes from this model is {odds} as likely as "
            f"it would be with {certificate.difference()}; once would be perfect privacy. With a "
            f"probability of about 1 in {1 / certificate.delta:,.0f}, that may fail for one {unit}."
        ),
    )


def decision_in_words(data: Any) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    """What a policy said, rule by rule."""
    decision = Decision.model_validate(data)
    return tuple(f"{_outcome(each.outcome)}: {each.text}" for each in decision.findings)


def _outcome(outcome: str) -> str:
    return outcome.replace("_", " ").capitalize()


def explanation_in_words(data: Any) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    """What made an output as it is, and how far that can be believed."""
    summary = _SUMMARY_READER.validate_python(data)
    gap = (
        summary.completeness_gap
        if isinstance(summary, FirstExplanationSummary)
        else summary.faithfulness["completeness_gap"]
    )
    doubt = "" if gap <= BELIEVABLE_GAP else ", which is too much to rely on them"
    return (
        (
            f"Against an average of all classes, the label that was asked for made "
            f"{summary.label_share:.0%} of the difference, and chance inside the model the rest"
            f"{_named(summary.top_latents)}."
        ),
        f"The attributions miss what they explain by {gap:.1%} at most{doubt}.",
    )


def _named(latents: Sequence[str]) -> str:
    return f", {latents[0]} most of it" if latents else ""
