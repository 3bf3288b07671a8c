"""How a file came to be, as its manifest says, and who says so.

Each action of a manifest can say what kind of source its result has, in a term of IPTC's or C2PA's
vocabulary. All actions of all assertions are heard: those that the signer made are his word, those
that he gathered from elsewhere are nobody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safegen.schemas.verdict import OriginFinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from safegen.provenance.c2pa.manifest import Manifest

ACTIONS = ("c2pa.actions", "c2pa.actions.v2")
MAX_TERM_LETTERS = 200  # letters of a term that is shown
_IPTC = "cv.iptc.org/newscodes/digitalsourcetype/"
_C2PA = "c2pa.org/digitalsourcetype/"
IN_WORDS = {  # https://cv.iptc.org/newscodes/digitalsourcetype/, and C2PA 2.2, section 18.15.4
    f"{_IPTC}digitalCapture": "was captured by a camera or a sensor",
    f"{_IPTC}computationalCapture": "was put together from several captures of a camera",
    f"{_IPTC}negativeFilm": "was digitised from a negative",
    f"{_IPTC}positiveFilm": "was digitised from a positive film",
    f"{_IPTC}print": "was digitised from a print",
    f"{_IPTC}minorHumanEdits": "was retouched by a human",
    f"{_IPTC}humanEdits": "was edited by a human",
    f"{_IPTC}compositeWithTrainedAlgorithmicMedia": "was made in part by a trained model",
    f"{_IPTC}algorithmicallyEnhanced": "was changed by an algorithm",
    f"{_IPTC}softwareImage": "was made with software",
    f"{_IPTC}digitalArt": "was made by a human with digital tools",
    f"{_IPTC}digitalCreation": "was made by a human with digital tools",
    f"{_IPTC}dataDrivenMedia": "was made from data",
    f"{_IPTC}trainedAlgorithmicMedia": "was made by a trained model",
    f"{_IPTC}algorithmicMedia": "was made by an algorithm, not a trained one",
    f"{_IPTC}screenCapture": "was captured from a screen",
    f"{_IPTC}virtualRecording": "was recorded in a virtual event",
    f"{_IPTC}composite": "was put together from several elements",
    f"{_IPTC}compositeCapture": "was put together from captures",
    f"{_IPTC}compositeSynthetic": "was put together, in part from synthetic elements",
    f"{_C2PA}trainedAlgorithmicData": "is data made by a trained model",
    f"{_C2PA}empty": "was begun empty",
}


def origins_of(manifest: Manifest) -> tuple[OriginFinding, ...]:
    """Everything that a manifest says of its file's origin, the signer's word first."""
    origins = (
        OriginFinding(
            source=source, text=_in_words(source), said_by="signer" if each.created else "nobody"
        )
        for each in sorted(manifest.statements, key=lambda each: not each.created)
        if each.label in ACTIONS
        for source in _sources(each.data)
    )
    return tuple(dict.fromkeys(origins))


def told(manifest: Manifest) -> str:
    """The same for the end of a sentence that names the signer, with a full stop."""
    origins = origins_of(manifest)
    own = _joined(each.text for each in origins if each.said_by == "signer")
    others = _joined(each.text for each in origins if each.said_by == "nobody")
    text = f", who says that it {own}." if own else "."
    if others:
        text += f" It also says that it {others}, which its signer gathered and nobody stands for."
    return text


def _sources(data: Any) -> Iterator[str]:  # noqa: ANN401 - a stranger's statement
    """The terms in an assertion of actions; an action that names none has its template's."""
    actions, templates = (_dicts(data.get(key)) for key in ("actions", "templates"))
    general = {str(each.get("action")): each.get("digitalSourceType") for each in templates}
    for action in actions:
        template = general.get(str(action.get("action")), general.get("*"))
        source = action.get("digitalSourceType", template)
        if isinstance(source, str) and source:
            yield source


def _dicts(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - likewise
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _in_words(source: str) -> str:
    """A term in words, whether its address begins with http or https; another one is quoted."""
    scheme, separator, term = source.partition("://")
    if separator and scheme.lower() in {"http", "https"} and term in IN_WORDS:
        return IN_WORDS[term]
    shown = source if len(source) <= MAX_TERM_LETTERS else f"{source[:MAX_TERM_LETTERS]}..."
    return f'is of the kind "{shown}"'


def _joined(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))
