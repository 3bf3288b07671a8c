"""Records to C2PA assertions: what a manifest says, before anything signs it; pure.

The shape follows the C2PA specification 2.4 (asset rubric of the conformance programme 0.2) and
the CAWG training and data mining assertion. Own statements stand under `org.safegen.*`.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from pydantic import JsonValue

from safegen.schemas.canonical import canonical_bytes, digest
from safegen.schemas.mining import KEPT_TO_ITSELF

if TYPE_CHECKING:
    from safegen.schemas.canonical import Record
    from safegen.schemas.card import DataCard
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.config import PackageDigests
    from safegen.schemas.decision import Decision
    from safegen.schemas.explanation import ExplanationSummary
    from safegen.schemas.label import VisibleLabel
    from safegen.schemas.mining import Mining
    from safegen.schemas.receipt import GenerationRequest
    from safegen.schemas.watermark import WatermarkRecord

Json = dict[str, JsonValue]

PRIVACY = "org.safegen.privacy"
EXPLANATION = "org.safegen.explanation"
DECISION = "org.safegen.decision"
REQUEST = "org.safegen.request"
PACKAGE = "org.safegen.package"
LABEL = "org.safegen.label"
WATERMARK = "org.safegen.watermark"
DISCLOSURE = "c2pa.ai-disclosure"  # C2PA's own, on what models are

MODEL_SOURCE = "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"
FIGURE_SOURCE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
CARD_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/dataDrivenMedia"
MODEL_TYPE = "c2pa.types.model.pytorch"
DATA_TYPE = "c2pa.types.dataset"

GENERATOR = "safegen"  # what made a claim, as it says itself

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES = {  # IPTC's terms for how something came to be, as people name them on a command line
    "human-edits": f"{IPTC}humanEdits",
    "algorithm": f"{IPTC}algorithmicallyEnhanced",
    "composite-with-model": f"{IPTC}compositeWithTrainedAlgorithmicMedia",
    "model": f"{IPTC}trainedAlgorithmicMedia",
    "model-data": MODEL_SOURCE,
    "photograph": f"{IPTC}digitalCapture",
    "digital-creation": f"{IPTC}digitalCreation",
    "algorithmic": f"{IPTC}algorithmicMedia",
}
LABEL_SOURCE = SOURCE_TYPES["algorithmic"]  # drawn by a program, of no data
EDITS = ("human-edits", "algorithm", "composite-with-model")  # those that say how it was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """Another signed thing that this one was made with.

    Attributes:
        name: its identifier inside the manifest.
        title: for people.
        mime: its media type.
        relationship: C2PA's term for its part in this one.
        content: its bytes, which its manifest binds.
        manifest: its own signed manifest, where that is not inside `content`.
        data_type: C2PA's asset type, or None.
        source_type: how something without a manifest came to be, or None.
        bare: whether `content` itself goes into the manifest, because it has none of its own.
    """

    name: str
    title: str
    mime: str
    relationship: str
    content: bytes
    manifest: bytes | None = None
    data_type: str | None = None
    source_type: str | None = None
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftBinding:
    """A code that finds a file again after its metadata was stripped.

    Attributes:
        algorithm: C2PA's name of how it was computed.
        code: its bytes.
    """

    algorithm: str
    code: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A manifest before it is signed.

    Attributes:
        title: the file's name.
        mime: the file's media type.
        assertions: in the C2PA SDK's JSON form; each is attributed to the signer.
        ingredients: what it was made with.
    """

    title: str
    mime: str
    assertions: tuple[Json, ...]
    ingredients: tuple[Ingredient, ...] = ()


def model_claim(
    *, name: str, certificate: PrivacyCertificate, digests: PackageDigests, mime: str
) -> Claim:
    """What a model package's own manifest says; it binds the weights and digests the rest.

    The data set's published card is its ingredient, whole, for any C2PA reader to show.
    """
    card = data_card(certificate.data)
    return Claim(
        title=name,
        mime=mime,
        ingredients=(card,),
        assertions=(
            _created(MODEL_SOURCE, (card,)),
            _assertion(DISCLOSURE, _disclosure(name, digest(digests))),
            _mining(),
            _assertion(PRIVACY, _fields(certificate)),
            _assertion(PACKAGE, _fields(digests)),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """The model that an output comes from.

    Attributes:
        ingredient: as the output's manifest holds it.
        digest: the model's name.
        certificate: its privacy claim.
    """

    ingredient: Ingredient
    digest: str
    certificate: PrivacyCertificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Why an output is as it is, and why it may leave.

    Attributes:
        request: what was asked.
        explanation: what made it, in short.
        decision: of the policy.
        watermark: the mark in its pixels; None where it carries none.
    """

    request: GenerationRequest
    explanation: ExplanationSummary
    decision: Decision
    watermark: WatermarkRecord | None = None


def output_claim(
    *,
    title: str,
    mime: str,
    source_type: str,
    maker: Maker,
    account: Account,
    fingerprint: SoftBinding | None,
    training_mining: Mining = KEPT_TO_ITSELF,
    label: VisibleLabel | None = None,
) -> Claim:
    """What a generated output's manifest says."""
    bindings = [each for each in (fingerprint, _mark(account.watermark)) if each is not None]
    return Claim(
        title=title,
        mime=mime,
        assertions=(
            _actions(
                _created_action(source_type, (maker.ingredient,)),
                *(() if label is None else (_labelled(label),)),
                *(() if account.watermark is None else (_bound(source_type),)),
            ),
            _assertion(DISCLOSURE, _disclosure(maker.ingredient.title, maker.digest)),
            _mining(training_mining),
            *map(_soft_binding, bindings),
            *_stated(account.watermark),
            _assertion(PRIVACY, _fields(maker.certificate)),
            _assertion(EXPLANATION, _fields(account.explanation)),
            _assertion(DECISION, _fields(account.decision)),
            _assertion(REQUEST, _fields(account.request)),
            *(() if label is None else (_assertion(LABEL, _fields(label)),)),
        ),
        ingredients=(maker.ingredient,),
    )


def data_card(card: DataCard) -> Ingredient:
    """A data set as far as it may be told of; the records themselves never leave."""
    return Ingredient(
        name="data",
        title=card.name,
        mime="application/json",
        relationship="componentOf",
        content=canonical_bytes(card),
        data_type=DATA_TYPE,
        source_type=CARD_SOURCE,
        bare=True,
    )


def edited_claim(*, title: str, mime: str, parent: Ingredient, source_type: str) -> Claim:
    """What the manifest of an edited file says: what it was, and how it was changed."""
    opened = _action("c2pa.opened") | {"parameters": {"ingredientIds": [parent.name]}}
    edited = _action("c2pa.edited") | {"digitalSourceType": source_type}
    return Claim(
        title=title,
        mime=mime,
        assertions=(
            _actions(opened, edited),
            _mining(),
        ),
        ingredients=(parent,),
    )


def created_claim(*, title: str, mime: str, source_type: str) -> Claim:
    """What the manifest of a file without a history says: how it came to be."""
    return Claim(
        title=title,
        mime=mime,
        assertions=(
            _created(source_type, ()),
            _mining(),
        ),
    )


def figure_claim(*, title: str, mime: str, output: Ingredient, decision: Decision) -> Claim:
    """What the manifest of an explanation's picture says: it shows a generated output."""
    return Claim(
        title=title,
        mime=mime,
        assertions=(
            _created(FIGURE_SOURCE, (output,)),
            _mining(),
            _assertion(DECISION, _fields(decision)),
        ),
        ingredients=(output,),
    )


def _created(source_type: str, made_with: tuple[Ingredient, ...]) -> Json:
    return _actions(_created_action(source_type, made_with))


def _labelled(label: VisibleLabel) -> Json:
    """That text was put into the picture, which anybody can see."""
    said: Json = {
        "description": f"A visible label: {label.text}",
        "digitalSourceType": LABEL_SOURCE,
    }
    return _action("c2pa.addedText") | said


def _bound(source_type: str) -> Json:
    """That a mark was put into the pixels which a soft binding names."""
    return _action("c2pa.watermarked.bound") | {"digitalSourceType": source_type}


def _stated(watermark: WatermarkRecord | None) -> tuple[Json, ...]:
    return () if watermark is None else (_assertion(WATERMARK, _fields(watermark)),)


def _mark(watermark: WatermarkRecord | None) -> SoftBinding | None:
    if watermark is None:
        return None
    return SoftBinding(algorithm=watermark.algorithm, code=watermark.value)


def _created_action(source_type: str, made_with: tuple[Ingredient, ...]) -> Json:
    created = _action("c2pa.created") | {"digitalSourceType": source_type}
    if made_with:
        created["parameters"] = {"ingredientIds": [ingredient.name for ingredient in made_with]}
    return created


def generator() -> Json:
    """The program that makes claims, as they name it."""
    return {"name": GENERATOR, "version": _version()}


@functools.cache
def _version() -> str:
    return version("safegen")


def _action(name: str) -> Json:
    return {
        "action": name,
        "softwareAgent": generator(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _actions(*actions: Json) -> Json:
    return _assertion("c2pa.actions.v2", {"allActionsIncluded": True, "actions": list(actions)})


def _disclosure(model_name: str, model_digest: str) -> Json:
    return {
        "modelType": MODEL_TYPE,
        "modelName": model_name,
        "modelIdentifier": model_digest,
        "contentProfile": {"humanOversightLevel": "fully_autonomous"},
    }


def _mining(uses: Mining = KEPT_TO_ITSELF) -> Json:
    """CAWG's training and data mining assertion."""
    entries: Json = {f"cawg.{name}": {"use": use} for name, use in uses.items()}
    return _assertion("cawg.training-mining", {"entries": entries})


def _soft_binding(fingerprint: SoftBinding) -> Json:
    value = base64.b64encode(fingerprint.code).decode()
    said: Json = {"alg": fingerprint.algorithm, "blocks": [{"scope": {}, "value": value}]}
    return _assertion("c2pa.soft-binding", said)


def _assertion(label: str, data: Json) -> Json:
    """`created` attributes a statement to the signer; without it, it is only gathered."""
    return {"label": label, "data": data, "created": True}


def _fields(record: Record) -> Json:
    return record.model_dump(mode="json", exclude_none=True)
