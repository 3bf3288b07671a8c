"""Verdicts as a page for people: one file in full, or several in a table."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from safegen.report.verdicts import INGREDIENTS, OUTCOMES, STATES
from safegen.web.problems import KINDS_OF_PROBLEMS
from safegen.web.shown import STEP_TITLES, for_visitors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.config.service import ServiceConfig
    from safegen.web.problems import Problem
    from safegen.web.shown import ShownFile

MIME_OF_ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}


def verify_page(
    service: ServiceConfig, shown: Sequence[ShownFile] = (), problem: Problem | None = None
) -> str:
    """The page at `/`: what to do, and what was found.

    Args:
        service: how much it takes.
        shown: files that were looked at.
        problem: why none were.
    """
    counts: dict[str, int] = {}
    for each in shown:
        counts[each.headline] = counts.get(each.headline, 0) + 1
    return (
        _templates()
        .get_template("verify.html.j2")
        .render(service=service, shown=shown, problem=problem, counts=counts)
    )


def problem_page(problem: Problem) -> str:
    """A problem for people."""
    return _templates().get_template("problem.html.j2").render(problem=problem)


def problems_page() -> str:
    """What each type of problem means."""
    return _templates().get_template("problems.html.j2").render(kinds=KINDS_OF_PROBLEMS)


@functools.cache
def asset(name: str) -> bytes:
    """A style sheet or a script; the style of reports comes first."""
    own = files("safegen.web").joinpath("static", name).read_bytes()
    if not name.endswith(".css"):
        return own
    return files("safegen.report").joinpath("page.css").read_bytes() + own


@functools.cache
def address_of(asset_name: str) -> str:
    """The address of an asset, which changes with its content."""
    version = hashlib.sha256(asset(asset_name)).hexdigest()[:12]
    return f"/static/{asset_name}?v={version}"


@functools.cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("safegen.web", "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "address_of": address_of,
        "step_titles": STEP_TITLES,
        "marks": {state: mark for state, (_, mark) in (STATES | OUTCOMES | INGREDIENTS).items()}
        | {"stated": "“"},
    }
    environment.filters["for_visitors"] = for_visitors
    return environment
