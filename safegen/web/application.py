"""The service as an ASGI application: its parts put together, and its OpenAPI document."""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from safegen.config.service import GenerationConfig, ServiceConfig
from safegen.errors import SafegenError
from safegen.verification.options import VerificationOptions
from safegen.web import logs
from safegen.web.answers import answer
from safegen.web.entrance import HUNG_UP, Entrance, told
from safegen.web.generating import Generating, first_ledger
from safegen.web.metrics import Metrics
from safegen.web.parts import Parts
from safegen.web.problems import BY_STATUS, Problem, ProblemError
from safegen.web.routes import generate, health, page, verify
from safegen.web.verifying import Verifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

DOCUMENT_DESCRIPTION = """\
Who signed a file, whether it was changed, and whether what it claims about itself holds.

Files are looked at in memory, in processes with limits and without a network, and are kept
nowhere. What cannot be answered is a problem of RFC 9457; `/problems` says what each type means.
"""
_DEFAULT_OPTIONS = VerificationOptions()
_DEFAULT_SERVICE = ServiceConfig()
_NO_GENERATION = GenerationConfig()


def create_app(
    options: VerificationOptions = _DEFAULT_OPTIONS,
    service: ServiceConfig = _DEFAULT_SERVICE,
    generation: GenerationConfig = _NO_GENERATION,
) -> ASGIApp:
    """The service, to be run by any ASGI server, or mounted in another application.

    Args:
        options: whom it believes; lists and logs are called by their files' names in its answers.
        service: how much it takes; where it listens is its server's business.
        generation: what it generates with; nothing by default.

    Raises:
        InputError: something is to be generated, and no ledger named.
        StorageError: keys cannot be read.
    """
    metrics = Metrics()
    options = options.but({"discreet": True})
    app = FastAPI(
        title="safegen",
        version=version("safegen"),
        description=DOCUMENT_DESCRIPTION,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.parts = Parts(
        service=service,
        metrics=metrics,
        verifier=Verifier(options, service, metrics),
        generating=Generating(generation, first_ledger(options)) if generation.models else None,
    )
    if generation.models:
        app.include_router(generate.router)
    for router in (verify.router, health.router, page.router):
        app.include_router(router)
    _answer_problems(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return Entrance(app, service, metrics)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Have a process ready before the first file comes; where that fails, `/readyz` says so."""
    try:
        await app.state.parts.verifier.require_ready()
    except (SafegenError, ProblemError) as error:
        logs.note_failure("not ready", error)
    logs.note("started")
    yield
    if app.state.parts.generating is not None:
        app.state.parts.generating.close()
    logs.note("stopped")


def _answer_problems(app: FastAPI) -> None:
    async def of_ours(request: Request, error: Exception) -> Response:
        return answer(told(error, request.state.instance), request.scope)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        name = BY_STATUS.get(error.status_code, "failed")
        return answer(ProblemError(name, headers=dict(error.headers or {})), request.scope)

    async def of_parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        wrong = [
            {"where": ".".join(map(str, each["loc"])), "text": each["msg"]}
            for each in error.errors()
        ]
        problem = ProblemError("invalid", "See `errors`.", more={"errors": wrong})  # type: ignore[dict-item]
        return answer(problem, request.scope)

    async def of_nobody(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=HUNG_UP)

    app.add_exception_handler(ClientDisconnect, of_nobody)
    app.add_exception_handler(ProblemError, of_ours)
    app.add_exception_handler(SafegenError, of_ours)
    app.add_exception_handler(Exception, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_parameters)


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, whose problems are ours and not FastAPI's."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=[
                {"name": "verification", "description": "Files to verdicts."},
                {"name": "generation", "description": "Releases, for whoever has a key."},
                {"name": "operation", "description": "For whoever runs the service."},
            ],
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = Problem.model_json_schema()
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = document
    return app.openapi_schema
