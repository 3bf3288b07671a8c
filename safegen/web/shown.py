"""What the page tells of a file: its verdict for people who know no states and no options."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.provenance.keys.shown import visible
from safegen.provenance.media.kinds import HEAD_BYTES, kind_of
from safegen.report.stated import Stated, stated_in
from safegen.report.verdicts import STATE_HEADLINES
from safegen.schemas.canonical import sha256
from safegen.web.pictures import has_moderate_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from safegen.schemas.inspection import Inspection
    from safegen.schemas.verdict import IngredientFinding, StepFinding, Verdict
    from safegen.verification.upload import Upload

MAX_PICTURE_BYTES = 2**21  # of one that is shown beside its verdict
MAX_PICTURES = 8  # on a page
MAX_RAW_LETTERS = 2**16  # of each manifest, where several files are shown
STEP_TITLES = {
    "manifest": "Statement of origin",
    "integrity": "Intact",
    "ingredients": "What it was made from",
    "signer": "Signer",
    "identity": "Who else stands for it",
    "time": "Time",
    "revocation": "Taken back",
    "fingerprint": "Likeness",
    "ledger": "Log of releases",
    "privacy": "Privacy",
    "policy": "Policy",
    "publish": "This service's policy",
}
_WORDS_OF_OPTIONS = (  # options of a command, which nobody here can give
    (re.compile(r" \(--[\w-]+\)"), ""),
    (re.compile(r"[:;,] name (?:its root|the roots?|whom)[^.]*?(?: with)? --[\w-]+"), ""),
    (re.compile(r" Name the roots that you trust with --[\w-]+\."), ""),
    (re.compile(r": name the root of who signed that[^.]*\."), "."),
    (re.compile(r"\b[Yy]our list\b"), "the list"),
    (re.compile(r"\bnone of your lists\b"), "none of this service's lists"),
    (re.compile(r"\bno list that you gave\b"), "no list of this service"),
    (re.compile(r"\bYour policy\b"), "This service's policy"),
    (re.compile(r"\b(whom|that) you trust\b"), r"\1 this service trusts"),
    (re.compile(r"\bno (ledger|revocation list) was given\b"), r"this service has no \1"),
    (re.compile(r"\bNo ledger was given\b"), "This service has no ledger"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to know.

    Attributes:
        title: what it is about.
        outcome: passed, warned, failed or not_checked; stated where it is the signer's word.
        lines: what was found, and what is said, in sentences.
    """

    title: str
    outcome: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile:
    """One file on the page.

    Attributes:
        name: as it was sent.
        size: its bytes, with the unit.
        digest: of them.
        state: of the verdict.
        headline: the state for people.
        meaning: what that state means.
        text: what matters most, in a sentence.
        signer: who signed; None where nobody did.
        rows: what there is to know.
        notes: what else its reader should know.
        ingredients: what it was made from.
        steps: all findings with their codes.
        raw: the manifest as it is written; None where there is none to show.
        picture: an address of the picture itself; None where it is none, or large.
    """

    name: str
    size: str
    digest: str
    state: str
    headline: str
    meaning: str
    text: str
    signer: str | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    ingredients: tuple[IngredientFinding, ...]
    steps: tuple[StepFinding, ...]
    raw: str | None
    picture: str | None


def shown_file(upload: Upload, found: Inspection, *, alone: bool, with_picture: bool) -> ShownFile:
    """What the page tells of one file.

    Args:
        upload: the file.
        found: what looking at it found.
        alone: whether it is the only one, so that there is room for everything.
        with_picture: whether it is shown itself, if it is a picture.
    """
    verdict, raw = found.verdict, found.manifest
    headline, meaning = STATE_HEADLINES[verdict.state]
    return ShownFile(
        name=visible(upload.name),
        size=f"{len(upload.data):,} bytes",
        digest=sha256(upload.data),
        state=verdict.state,
        headline=headline,
        meaning=meaning,
        text=for_visitors(verdict.text),
        signer=None if verdict.signer is None else verdict.signer.name,
        rows=tuple(_rows(verdict, _stated(raw))) if raw or verdict.signer else (),
        notes=tuple(map(for_visitors, verdict.notes)),
        ingredients=verdict.ingredients,
        steps=verdict.findings,
        raw=raw if raw and (alone or len(raw) <= MAX_RAW_LETTERS) else None,
        picture=_picture(upload.data) if with_picture else None,
    )


def for_visitors(text: str) -> str:
    """A finding for somebody who gave no lists and can give no options.

    >>> for_visitors("No ledger was given (--ledger), and no receipt lies beside the file.")
    'This service has no ledger, and no receipt lies beside the file.'
    """
    for pattern, instead in _WORDS_OF_OPTIONS:
        text = pattern.sub(instead, text)
    return visible(text)


def _stated(raw: str | None) -> Stated:
    try:
        said = json.loads(raw) if raw else {}
        return stated_in(said.get("statements", ()))
    except (ValueError, RecursionError):  # deeper than anybody reads
        return Stated()


def _rows(verdict: Verdict, stated: Stated) -> Iterator[Row]:
    """What there is to know, what people ask for first; what no step looked at is left out."""
    by_step = {each.step: each for each in verdict.findings}
    yield _row(by_step["signer"])
    yield _row(by_step["integrity"])
    made = (*(f"It {each.text}{_gathered(each.said_by)}." for each in verdict.origins),)
    yield _word("Made with", *made, *stated.model, *stated.request)
    yield _row(by_step["time"])
    for step, lines in (("privacy", stated.privacy), ("policy", stated.policy)):
        if lines or by_step[step].outcome != "not_checked":
            yield _row(by_step[step], *lines)
    if stated.explanation:
        yield _word("Explanation", *stated.explanation)
    for step in ("identity", "revocation", "fingerprint", "ledger", "publish"):
        if step in by_step and by_step[step].outcome != "not_checked":
            yield _row(by_step[step])


def _word(title: str, *lines: str) -> Row:
    """The signer's own word, which no step can check."""
    return Row(title=title, outcome="stated", lines=tuple(map(visible, lines)))


def _row(finding: StepFinding, *more: str) -> Row:
    lines = (for_visitors(finding.text), *map(visible, more))
    return Row(title=STEP_TITLES[finding.step], outcome=finding.outcome, lines=lines)


def _gathered(said_by: str) -> str:
    return "" if said_by == "signer" else ", says somebody who is not named"


def _picture(data: bytes) -> str | None:
    """The address of a picture that no browser has trouble with."""
    kind = kind_of(data[:HEAD_BYTES])
    if len(data) > MAX_PICTURE_BYTES or not has_moderate_size(kind, data):
        return None
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
