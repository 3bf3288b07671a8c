"""Files to verdicts, in processes with limits, a few at a time; others wait for a while."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from safegen.verification.ledgers import open_ledgers
from safegen.verification.verify import inspect, verify
from safegen.verification.workers.process import usable_cores
from safegen.web.problems import busy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from safegen.config.service import ServiceConfig
    from safegen.schemas.inspection import Inspection
    from safegen.schemas.verdict import Verdict
    from safegen.verification.options import VerificationOptions
    from safegen.verification.upload import Upload
    from safegen.web.metrics import Metrics

    T = TypeVar("T")

MAX_WAITING_PER_JOB = 64  # requests that may wait for one that is looked at
NO_FILES_DIGEST = f"sha256:{64 * '0'}"  # of which every log says that it has none


class Verifier:
    """Verification as this service offers it: the operator's lists, and so many at a time."""

    def __init__(
        self, options: VerificationOptions, service: ServiceConfig, metrics: Metrics
    ) -> None:
        self._options, self._metrics = options, metrics
        self.jobs = service.jobs or max(1, usable_cores() // service.workers)
        self._limiter = anyio.CapacityLimiter(self.jobs)
        self._timeout = service.timeout

    async def verify(self, upload: Upload) -> Verdict:
        """The verdict on a file.

        Raises:
            ProblemError: too many wait.
            SafegenError: a list or a ledger cannot be read.
        """
        ask = functools.partial(verify, upload.data, name=upload.name, options=self._options)
        verdict = await self._in_turn(ask)
        self._metrics.judged(verdict.state)
        return verdict

    async def inspect(self, upload: Upload) -> Inspection:
        """The same, with what its manifest says."""
        ask = functools.partial(inspect, upload.data, name=upload.name, options=self._options)
        found = await self._in_turn(ask)
        self._metrics.judged(found.verdict.state)
        return found

    async def require_ready(self) -> None:
        """See that a process answers, with all lists and logs.

        Raises:
            SafegenError: it does not.
        """
        await self._in_turn(self._try)

    async def _in_turn(self, ask: Callable[[], T]) -> T:
        """Run in a thread when it is this one's turn; a thread only waits for a process."""
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING_PER_JOB * self.jobs:
            raise busy("Too many files wait to be looked at.")
        turn = object()
        try:
            with anyio.fail_after(self._timeout):
                await self._limiter.acquire_on_behalf_of(turn)
        except TimeoutError:
            raise busy("So many files wait that this one's turn did not come.") from None
        try:  # whoever hangs up gives its turn back when the process has answered
            return await anyio.to_thread.run_sync(ask, limiter=anyio.CapacityLimiter(1))
        finally:
            self._limiter.release_on_behalf_of(turn)

    def _try(self) -> None:
        verify(b"", name="ready", options=self._options)
        task = self._options.task()
        for named in open_ledgers(task.ledgers, discreet=True):
            named.log.look_up(NO_FILES_DIGEST)


def require_startable(options: VerificationOptions) -> None:
    """See, before anything listens, that lists, logs and the policy are what they should be.

    Raises:
        SafegenError: one is not; in words for whoever starts the service.
    """
    verify(b"", name="ready", options=options)
    for named in open_ledgers(options.task().ledgers):
        named.log.look_up(NO_FILES_DIGEST)
