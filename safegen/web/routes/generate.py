"""`GET /v1/models` and `POST /v1/generate`: releases over HTTP, for whoever has a key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from safegen.web.generating import Described, Generating, described_model
from safegen.web.parts import parts_of
from safegen.web.problems import described

ZIP_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip of outputs, receipts and explanations, all logged.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
BEARER_KEY: dict[str, Any] = {"security": [{"key": []}]}

router = APIRouter(tags=["generation"])


class Wanted(BaseModel):
    """What is asked of a generator."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(examples=["digits"], description="One of `/v1/models`, by its name.")
    count: int = Field(1, ge=1, examples=[2], description="How many outputs.")
    purpose: str = Field(examples=["a figure"], description="What they are for; it is signed.")
    label: int | str | None = Field(None, examples=[7], description="A class; all in turn if null.")
    seed: int | None = Field(None, examples=[0], description="Drawn and recorded if null.")
    explain: Literal["summary", "full"] = "summary"


class Models(BaseModel):
    """What there is to generate with."""

    models: tuple[Described, ...]


@router.get(
    "/v1/models",
    responses=described("no-key", "too-often", "failed", "unavailable"),
    openapi_extra=BEARER_KEY,
)
async def models(
    request: Request, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Models:
    """List the models, with their privacy claims and classes."""
    generating = _generating(request)
    await generating.actor_of(authorization)
    packages = generating.packages.items()
    return Models(models=tuple(described_model(name, folder) for name, folder in packages))


@router.post(
    "/v1/generate",
    response_class=Response,
    responses={
        **ZIP_ANSWER,
        **described(
            "bad-request",
            "no-key",
            "refused",
            "revoked",
            "no-model",
            "too-slow",
            "too-large",
            "invalid",
            "too-often",
            "failed",
            "unavailable",
            "busy",
        ),
    },
    openapi_extra=BEARER_KEY,
)
async def generate(
    request: Request,
    wanted: Wanted,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Make outputs that are allowed, explained, signed and logged.

    What the policy refuses is a problem with its whole decision, and nothing was made.
    """
    generating = _generating(request)
    actor = await generating.actor_of(authorization)
    generating.require_moderate(wanted.count)
    release = await generating.release({**wanted.model_dump(), "actor": actor})
    headers = {"Content-Disposition": 'attachment; filename="release.zip"'}
    return Response(release, media_type="application/zip", headers=headers)


def _generating(request: Request) -> Generating:
    found = parts_of(request).generating
    assert found is not None  # these endpoints are there where it is
    return found
