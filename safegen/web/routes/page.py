"""The page for people at `/`, what it is dressed in, and what problems mean."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from safegen.errors import SafegenError
from safegen.web.bodies import uploads_in
from safegen.web.entrance import told
from safegen.web.page import MIME_OF_ASSETS, asset, problems_page, verify_page
from safegen.web.parts import Parts, parts_of
from safegen.web.problems import ProblemError
from safegen.web.shown import MAX_PICTURES, ShownFile, shown_file

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
ASSETS_CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}


@router.get("/")
async def ask(request: Request) -> HTMLResponse:
    """The form."""
    return HTMLResponse(verify_page(parts_of(request).service))


@router.post("/")
async def answer(request: Request) -> HTMLResponse:
    """What was found; a problem stands where the answer would."""
    parts = parts_of(request)
    try:
        shown = await _look_at(request, parts)
    except (ProblemError, SafegenError) as error:
        problem = told(error, request.state.instance)
        details = problem.details(request.state.instance)
        page = verify_page(parts.service, problem=details)
        return HTMLResponse(page, details.status, headers=dict(problem.headers))
    return HTMLResponse(verify_page(parts.service, shown))


async def _look_at(request: Request, parts: Parts) -> list[ShownFile]:
    uploads = await uploads_in(request, field="file", max_files=parts.service.max_files)
    if not uploads:
        raise ProblemError("no-file", "Choose a file first.")
    alone = len(uploads) == 1
    return [
        shown_file(
            each,
            await parts.verifier.inspect(each),
            alone=alone,
            with_picture=number < MAX_PICTURES,
        )
        for number, each in enumerate(uploads)
    ]


@router.get("/problems")
async def problems() -> HTMLResponse:
    """What each type of problem means."""
    return HTMLResponse(problems_page())


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """A style sheet or a script."""
    if name not in MIME_OF_ASSETS:
        raise ProblemError("not-found")
    return Response(asset(name), media_type=MIME_OF_ASSETS[name], headers=ASSETS_CACHED)
