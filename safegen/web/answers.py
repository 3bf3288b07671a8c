"""Answers that any part can give: problems, as JSON for programs and as a page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

from safegen.web.page import problem_page
from safegen.web.problems import PROBLEM_MIME

if TYPE_CHECKING:
    from starlette.types import Scope

    from safegen.web.problems import ProblemError


def answer(problem: ProblemError, scope: Scope) -> Response:
    """A problem, in the form that whoever asked reads."""
    details = problem.details(scope["state"]["instance"])
    if not scope["path"].startswith("/v1/") and "text/html" in Headers(scope=scope).get(
        "Accept", ""
    ):
        return HTMLResponse(problem_page(details), details.status, headers=dict(problem.headers))
    return Response(
        details.model_dump_json(),
        details.status,
        headers=dict(problem.headers),
        media_type=PROBLEM_MIME,
    )
