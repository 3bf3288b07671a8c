"""The typed facts that rules may speak of; a rule that names another fact does not load.

Each field becomes a CEL variable of the same dotted name: `request.purpose`, `model.epsilon`. A
field that is a mapping becomes one for each of its names: `output.screens.contrast`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import get_type_hints

Fact = str | int | float | bool
# Names that facts had in 0.1; policies may go on to use them.
OLD_NAMES = {"output.contrast": "output.screens.contrast"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What was asked.

    Attributes:
        purpose: what the output is for, in the requester's words, stripped.
        label: the class's number; at the request, -1 stands for all classes in turn; at the
            release, it is always the output's own.
        label_name: the class's name; empty where `label` is -1.
        count: how many outputs.
    """

    purpose: str
    label: int
    label_name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What the generator's package says.

    Attributes:
        certified: whether its certificate's epsilon was recomputed from its events and agrees.
        epsilon: the certificate's, recomputed.
        delta: the certificate's.
        unit: the privacy unit.
        data: the data set's name.
        digest: of the package.
    """

    certified: bool
    epsilon: float
    delta: float
    unit: str
    data: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenOutputFacts:
    """What is known of an output before it is made.

    Attributes:
        signed: whether a signer stands ready; the file is read back after signing and withheld
            when its signature does not hold.
        digital_source_type: IPTC's term that its manifest will carry.
        explained: whether an explanation goes with it.
    """

    signed: bool
    digital_source_type: str
    explained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts(ForeseenOutputFacts):
    """What is about to leave.

    Attributes:
        completeness_gap: of its explanation.
        screens: the score of each screen that was asked, by the screen's name.
    """

    completeness_gap: float
    screens: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionFacts:
    """All that is known before anything is sampled."""

    request: RequestFacts
    model: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenFacts:
    """All that is known of an output before it is sampled; `request.label` is the output's own."""

    request: RequestFacts
    model: ModelFacts
    output: ForeseenOutputFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """All that is known before an output is signed.

    Attributes:
        request: what was asked, of this output.
        model: which made it.
        output: itself.
        failures: why screens that were asked gave no score, by name; any failure refuses.
    """

    request: RequestFacts
    model: ModelFacts
    output: OutputFacts
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What verifying a finished file found; of any file, ours or anybody's.

    Attributes:
        state: the verdict's: trusted, valid, invalid, unsigned, unsupported or unreadable.
        signer: the name in the signing certificate, as it is shown; it proves nothing by itself,
            and is empty where no manifest could be read.
        trusted: whether a list that was given vouches for the signer, and no step failed.
        time_stamped: whether an authority on a list of time-stamps saw the signature.
        ingredients: how many things it was made from, however deep.
        declared_broken: how many of them did not hold when they were used, as whoever used them
            says in what they signed.
        unsigned_ingredients: how many of them have no manifest.
    """

    state: str
    signer: str
    trusted: bool
    time_stamped: bool
    ingredients: int
    declared_broken: int
    unsigned_ingredients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFacts:
    """All that is known of a finished file before somebody publishes it."""

    file: FileFacts


Facts = AdmissionFacts | ForeseenFacts | ReleaseFacts | PublishFacts


def flatten(facts: Facts) -> dict[str, Fact]:
    """Facts by dotted name; what is no number is left out, so that a rule about it refuses.

    >>> request = RequestFacts(purpose="demo", label=7, label_name="7", count=1)
    >>> model = ModelFacts(certified=True, epsilon=float("nan"), delta=1e-5, unit="record",
    ...                    data="digits", digest="sha256:00")
    >>> known = flatten(AdmissionFacts(request=request, model=model))
    >>> known["request.label"], "model.epsilon" in known
    (7, False)
    """
    known: dict[str, Fact] = {}
    for group in _groups(type(facts)):
        held = getattr(facts, group)
        for fact in fields(held):
            value = getattr(held, fact.name)
            name = f"{group}.{fact.name}"
            if isinstance(value, Mapping):
                known |= {f"{name}.{each}": score for each, score in value.items()}
            else:
                known[name] = value
    known |= {old: known[new] for old, new in OLD_NAMES.items() if new in known}
    return {
        name: value
        for name, value in known.items()
        if not isinstance(value, float) or not math.isnan(value)
    }


def types_of(kind: type[Facts], screens: Iterable[str] = ()) -> dict[str, type]:
    """The type of each dotted name that facts of this kind hold.

    Args:
        kind: of facts.
        screens: whose scores may be there.
    """
    types: dict[str, type] = {}
    for group, held in _groups(kind).items():
        for fact, fact_type in get_type_hints(held).items():
            name = f"{group}.{fact}"
            if fact_type == Mapping[str, float]:
                types |= {f"{name}.{each}": float for each in screens}
            else:
                types[name] = fact_type
    return types | {old: types[new] for old, new in OLD_NAMES.items() if new in types}


def _groups(kind: type[Facts]) -> dict[str, type]:
    """The groups of facts by name; what says why facts are missing is none."""
    return {name: held for name, held in get_type_hints(kind).items() if name != "failures"}
