"""`POST /v1/verify`: a file's bytes to its verdict."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from safegen.schemas.verdict import Verdict
from safegen.web.bodies import FORM_MIME, MAX_NAME_LETTERS, uploads_in
from safegen.web.examples import VERDICT_EXAMPLE
from safegen.web.parts import parts_of
from safegen.web.problems import ProblemError, described

FILE_SCHEMA = {"type": "string", "format": "binary"}
FORM_SCHEMA = {"type": "object", "required": ["file"], "properties": {"file": FILE_SCHEMA}}
VERIFY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes; or a form with one file.",
        "content": {
            "application/octet-stream": {"schema": {**FILE_SCHEMA, "minLength": 1}},
            FORM_MIME: {"schema": FORM_SCHEMA},
        },
    }
}

router = APIRouter(tags=["verification"])


@router.post(
    "/v1/verify",
    response_model=Verdict,
    responses={
        200: {
            "description": "The verdict; whatever is wrong with the file is a finding in it.",
            "content": {"application/json": {"example": VERDICT_EXAMPLE}},
        },
        **described("bad-request", "too-slow", "too-large", "no-file", "failed", "unavailable"),
    },
    openapi_extra=VERIFY_BODY,
)
async def verify(
    request: Request,
    name: Annotated[
        str | None,
        Query(
            max_length=MAX_NAME_LETTERS,
            description="What the bytes are called; its suffix counts where they tell no type.",
        ),
    ] = None,
) -> Response:
    """Say who signed a file, whether it was changed, and whether what it claims holds.

    The file is looked at in memory, in a process with limits and without a network, and kept
    nowhere.
    """
    del name  # read where the body is
    parts = parts_of(request)
    uploads = await uploads_in(request, field="file", max_files=1)
    if not uploads:
        raise ProblemError("no-file")
    verdict = await parts.verifier.verify(uploads[0])
    return Response(verdict.model_dump_json(), media_type="application/json")
