"""The page of one run: what was claimed, what was made, what checking it found."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.explain.summary import in_words
from safegen.modality.registry import modality_of_file
from safegen.provenance.media.formats import mime_of
from safegen.report.page import inline, pages

if TYPE_CHECKING:
    from safegen.pipeline.generate.outputs import Output
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An output with what verifying its file found."""

    output: Output
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Everything that the page shows.

    Attributes:
        title: of the page.
        model: its name.
        model_digest: its digest.
        certificate: its privacy claim.
        recomputed: epsilon from the certificate's events.
        checked: the outputs.
        tampered: verdict on a copy of the first output with one bit changed.
        tampered_file: that copy.
        commands: with which a reader checks the same.
    """

    title: str
    model: str
    model_digest: str
    certificate: PrivacyCertificate
    recomputed: float
    checked: tuple[Checked, ...]
    tampered: Verdict
    tampered_file: bytes
    commands: tuple[str, ...]


def render(report: RunReport) -> str:
    """The page, with all its pictures inside; it loads nothing from anywhere.

    Outputs keep their manifests, and so do pictures of full explanations, so that one saved from
    the page can still be verified; those of summaries are drawn for the page, and are not signed.
    """
    environment = pages()
    environment.filters["inline"] = inline
    environment.filters["in_words"] = in_words
    environment.filters["figure"] = functools.partial(_figure, report=report)
    return environment.get_template("run.html.j2").render(report=report)


def _figure(output: Output, report: RunReport) -> bytes:
    """The picture of an output's explanation; drawn where only a summary left with it."""
    if output.figure is not None:
        return output.figure
    from safegen.explain.figure import draw

    mime = mime_of(Path(output.name), output.data)
    modality = modality_of_file(report.certificate.data.shape, mime)
    stored = modality.decode(output.data)
    return draw(stored, modality, output.receipt.explanation, output.attributions, output.name)
