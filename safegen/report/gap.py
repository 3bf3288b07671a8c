"""The page of a gap report: duties that are met, missed, attested, or left open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.report.page import pages

if TYPE_CHECKING:
    from safegen.schemas.gap import GapReport


def render(report: GapReport) -> str:
    """The page; it loads nothing from anywhere."""
    return pages().get_template("gap.html.j2").render(report=report)
