"""What every request passes: host, size, time, headers; and what is told of it afterwards."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from safegen.errors import SafegenError
from safegen.web import logs
from safegen.web.answers import answer
from safegen.web.bodies import Body, Memory, too_large
from safegen.web.problems import ProblemError, problem_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from safegen.config.service import ServiceConfig
    from safegen.web.metrics import Metrics

HUNG_UP = 499  # a status of nobody's, for whoever did not wait for one
MAX_BODIES_HELD = 4  # of the largest size, by all requests of a process
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


class Entrance:
    """Around an application; nothing that is raised inside comes out."""

    def __init__(self, app: ASGIApp, service: ServiceConfig, metrics: Metrics) -> None:
        self._app, self._service, self._metrics = app, service, metrics
        self._memory = Memory(MAX_BODIES_HELD * service.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no request (the application's life) goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(send)
        scope.setdefault("state", {})["instance"] = passage.instance
        body = Body(receive, max_bytes=self._service.max_body_bytes, seconds=self._service.timeout)
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._pass(scope, body, passage)
            except ClientDisconnect:
                passage.status = HUNG_UP
            except Exception as error:  # noqa: BLE001 - whatever it was, somebody waits
                await self._apologise(scope, body, passage, error)
        self._tell(scope, body, passage)

    async def _pass(self, scope: Scope, body: Body, passage: _Passage) -> None:
        headers = Headers(scope=scope)
        self._require_host(headers)
        size = _announced(headers, self._service.max_body_bytes)
        if size > self._service.max_body_bytes:
            await body.discard()
            raise too_large(self._service.max_body_bytes)
        with self._memory.hold(size):
            await self._app(scope, body.receive, passage.send)

    def _require_host(self, headers: Headers) -> None:
        """Refuse a foreign name: a page elsewhere may call this machine by one of its own."""
        names = self._service.host_names
        host = headers.get("Host", "").lower()
        host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        if names and not any(_matches(host, name.lower()) for name in names):
            raise ProblemError("unknown-host")

    async def _apologise(
        self, scope: Scope, body: Body, passage: _Passage, error: Exception
    ) -> None:
        if passage.status is None:  # else it has been told already
            response = answer(told(error, passage.instance), scope)
            await response(scope, body.receive, passage.send)

    def _tell(self, scope: Scope, body: Body, passage: _Passage) -> None:
        seconds = time.perf_counter() - passage.since
        route = getattr(scope.get("route"), "path", "(none)")
        status = passage.status or 500
        method = scope["method"]
        self._metrics.answered(method, route, status, seconds=seconds, received=body.received)
        logs.note(
            "request",
            id=passage.instance,
            method=method if method.isascii() and len(method) < 16 else "other",
            route=route,
            status=status,
            ms=round(1e3 * seconds, 1),
            received=body.received,
        )


def told(error: Exception, instance: str) -> ProblemError:
    """What whoever asked is told of an error; what it was stands in the log."""
    if isinstance(error, ProblemError):
        return error
    logs.note_failure("failed", error, id=instance)
    return problem_of(error) if isinstance(error, SafegenError) else ProblemError("failed")


class _Passage:
    """One request on its way.

    Attributes:
        instance: its number.
        since: when it came, by the performance counter.
        status: of its answer, once that has begun.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.instance = f"urn:uuid:{uuid.uuid4()}"
        self.since = time.perf_counter()
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers["Request-Id"] = self.instance.removeprefix("urn:uuid:")
        await self._send(message)


def _announced(headers: Headers, at_most: int) -> int:
    """Bytes that a body will have; as many as it may where its end is not known yet."""
    if "Transfer-Encoding" in headers:
        return at_most
    try:
        return int(headers.get("Content-Length", "0"))
    except ValueError:
        raise ProblemError("bad-request", "Its Content-Length is no number.") from None


def _matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
