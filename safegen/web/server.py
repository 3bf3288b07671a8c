"""The service as processes: a socket, workers, and what signals mean.

SIGTERM and Ctrl-C end it gracefully: nothing new is taken, what was begun is answered. A worker
that dies is replaced.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import tempfile
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from safegen.errors import StorageError
from safegen.web.application import create_app
from safegen.web.generating import require_generating
from safegen.web.logs import logging_config
from safegen.web.metrics import SHARED_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.config.service import GenerationConfig, ServiceConfig
    from safegen.verification.options import VerificationOptions

KEEP_ALIVE_SECONDS = 15  # that a connection waits for its next request
STARTING_SECONDS = 60  # that a worker has to answer its parent, also when the machine is busy
QUEUED_CONNECTIONS = 1024  # that the system keeps until they are taken


def serve(
    options: VerificationOptions,
    service: ServiceConfig,
    generation: GenerationConfig,
    *,
    told: Callable[[str], None],
) -> None:
    """Answer until a signal says to stop.

    Args:
        options: whom the service believes.
        service: how it listens, and how much it takes.
        generation: what it generates with.
        told: is given the address, once it can be reached there.

    Raises:
        InputError: something is to be generated, and no ledger named, or it is no package.
        StorageError: it cannot listen at that address, or keys cannot be read.
    """
    require_generating(options, generation)
    listening = _listen(service)
    port = listening.getsockname()[1]
    name = f"[{service.host}]" if ":" in service.host else service.host
    config = uvicorn.Config(
        functools.partial(create_app, options, service, generation),
        factory=True,
        workers=service.workers,
        log_config=logging_config(),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody's address is used
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(service.timeout) + 1,
        timeout_worker_healthcheck=STARTING_SECONDS,
        backlog=QUEUED_CONNECTIONS,
    )
    told(f"http://{name}:{port}")
    with listening:
        if service.workers == 1:
            signal.signal(signal.SIGTERM, lambda *_: None)  # raised again when all is answered
            uvicorn.Server(config).run(sockets=[listening])
            return
        with tempfile.TemporaryDirectory(prefix="safegen-metrics-") as folder:
            os.environ.setdefault(SHARED_FOLDER, folder)
            Multiprocess(config, sockets=[listening]).run()


def _listen(service: ServiceConfig) -> socket.socket:
    """A socket at the service's address."""
    try:
        family = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((service.host, service.port))
        listening.listen(QUEUED_CONNECTIONS)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"cannot listen at {service.host}, port {service.port}: {reason}; choose another with "
            "--host or --port"
        ) from error
    listening.set_inheritable(True)
    return listening
