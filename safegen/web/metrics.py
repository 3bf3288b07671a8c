"""What Prometheus reads: how much was asked, how long it took, what came of it.

With several processes, each writes its numbers into a folder that the environment names
(`PROMETHEUS_MULTIPROC_DIR`), and whichever is asked adds them up.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METRICS_MIME = CONTENT_TYPE_LATEST
_BUCKET_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The numbers of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "safegen_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "safegen_request_seconds",
            "How long answers took.",
            ("route",),
            buckets=_BUCKET_SECONDS,
            registry=self._registry,
        )
        self._received = Counter(
            "safegen_received_bytes", "Bytes of requests' bodies.", registry=self._registry
        )
        self._verdicts = Counter(
            "safegen_verdicts", "Files that were looked at.", ("state",), registry=self._registry
        )
        self.in_flight = Gauge(
            "safegen_requests_in_flight",
            "Requests that are being answered.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def answered(
        self, method: str, route: str, status: int, *, seconds: float, received: int
    ) -> None:
        """Count a request; what somebody made up is no label."""
        known = method if method in _KNOWN_METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self._received.inc(received)

    def judged(self, state: str) -> None:
        """Count a verdict."""
        self._verdicts.labels(state).inc()

    def exposition(self) -> bytes:
        """All numbers in Prometheus's text format, of all processes of the service."""
        folder = os.environ.get(SHARED_FOLDER)
        if folder is None:
            return generate_latest(self._registry)
        _forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """Processes that were killed answer no requests any more."""
    for path in folder.glob("gauge_live*_*.db"):
        process = int(path.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            with contextlib.suppress(FileNotFoundError):  # another process may be as quick
                mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue
