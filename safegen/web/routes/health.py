"""Whether the service lives, whether it can answer, and its numbers."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from safegen.web.metrics import METRICS_MIME
from safegen.web.parts import parts_of
from safegen.web.problems import described

READY_SECONDS = 2.0  # that an answer about readiness stays good

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """That the service lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """That the service can answer."""

    status: Literal["ready"] = "ready"


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process answers; nothing is looked at."""
    return Health()


@router.get("/readyz", responses=described("unavailable", "busy"))
async def readyz(request: Request) -> Readiness:
    """Say that files can be verified: a process answers, and lists and ledgers can be read."""
    parts = parts_of(request)
    if time.monotonic() - parts.ready_since > READY_SECONDS:
        await parts.verifier.require_ready()
        parts.ready_since = time.monotonic()
    return Readiness()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Numbers in Prometheus's text format."""
    return Response(parts_of(request).metrics.exposition(), media_type=METRICS_MIME)
