"""What was sent: in memory, within a size and a time, and never in a file."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from safegen.config.service import BYTES_PER_MIB
from safegen.verification.upload import UNNAMED, Upload
from safegen.web.problems import ProblemError, busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.types import Message, Receive

MAX_NAME_LETTERS = 255  # letters of a file's name
MAX_FIELD_BYTES = 2**16  # of a form's field that is no file
MAX_DISCARDED_BYTES = 2**29  # that are read after too many, so that a browser hears the answer
FORM_MIME = "multipart/form-data"


class Body:
    """A request's body as it comes in.

    Attributes:
        received: bytes so far.
    """

    def __init__(self, receive: Receive, *, max_bytes: int, seconds: float) -> None:
        self._receive, self._max_bytes = receive, max_bytes
        self._until = time.monotonic() + seconds
        self._seconds, self._whole = seconds, False
        self.received = 0

    async def receive(self) -> Message:
        """The next part.

        Raises:
            ProblemError: there is too much of it, or it took too long.
        """
        message = await self._next()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            if self.received > self._max_bytes:
                await self.discard()
                raise too_large(self._max_bytes)
        return message

    async def discard(self) -> None:
        """Read the rest, of which nothing is kept; whoever sends much more is not waited for."""
        left = MAX_DISCARDED_BYTES
        while not self._whole and left > 0:
            message = await self._next()
            if message["type"] != "http.request":
                return
            left -= len(message.get("body", b""))

    async def _next(self) -> Message:
        if self._whole:  # whoever waits for the end of the connection is given all the time
            return await self._receive()
        try:
            with anyio.fail_after(self._until - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            text = f"It had {self._seconds:.0f} seconds."
            raise ProblemError("too-slow", text, headers={"Connection": "close"}) from None
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message


class Memory:
    """What all requests of a process hold together."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Keep so many bytes for a request.

        Raises:
            ProblemError: there are not as many.
        """
        if size > self._left:
            raise busy("Others are sending large files at the moment.")
        self._left -= size
        try:
            yield
        finally:
            self._left += size


def too_large(max_bytes: int) -> ProblemError:
    """A request has more bytes than it may."""
    return ProblemError("too-large", f"It may have {max_bytes // BYTES_PER_MIB} MiB.")


async def uploads_in(request: Request, *, field: str, max_files: int) -> tuple[Upload, ...]:
    """The files in a request: its body, or all of a form's field that have a name or content.

    Args:
        request: whose body is read.
        field: of a form.
        max_files: that a form may have.

    Raises:
        ProblemError: it cannot be read, or has more.
    """
    if not request.headers.get("Content-Type", "").lower().startswith(FORM_MIME):
        data = await request.body()
        name = request.query_params.get("name") or UNNAMED
        return (Upload(name=name, data=data),) if data else ()
    parser = _Parser(request.headers, request.stream(), max_files=max_files, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError("bad-request", _told(error.message)) from None
    try:
        sent = [each for each in form.getlist(field) if isinstance(each, UploadFile)]
        named = [(each.filename or UNNAMED, await each.read()) for each in sent]
    finally:
        await form.close()
    return tuple(
        Upload(name=_short(name), data=data) for name, data in named if data or name != UNNAMED
    )


class _Parser(MultiPartParser):
    """Starlette's, which keeps nothing on a disk: how much comes in is limited before."""

    spool_max_size = 2**62
    max_part_size = MAX_FIELD_BYTES


def _told(message: str) -> str:
    """What is wrong with a form, in our words or the parser's; neither quotes what was sent."""
    return message if message.startswith("Too many") else "Its form cannot be read."


def _short(name: str) -> str:
    """A file's name without a folder, of bounded length; its end tells its type."""
    base = name.replace("\\", "/").rpartition("/")[2] or UNNAMED
    return base if len(base) <= MAX_NAME_LETTERS else f"...{base[-MAX_NAME_LETTERS + 3 :]}"
