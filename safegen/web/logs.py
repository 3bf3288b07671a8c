"""A line of JSON for each thing that happened; no address, no name, no file, no message of others.

{"time": "2026-01-01T12:00:00.000Z", "level": "info", "event": "request", "id": "urn:uuid:...",
 "method": "POST", "route": "/v1/verify", "status": 200, "ms": 31.2, "received": 4711}
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safegen.errors import SafegenError

SERVICE_LOGGER = logging.getLogger("safegen.web")


class JsonFormatter(logging.Formatter):
    """Records as lines of JSON; of an error its kind and places, and its message if it is ours."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.process,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["error"] = _told(record.exc_info[1])
        return json.dumps(said)


def note(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Write a line."""
    SERVICE_LOGGER.log(level, event, extra={"fields": fields})


def note_failure(event: str, error: BaseException, **fields: object) -> None:
    """Write a line about an error."""
    SERVICE_LOGGER.error(event, exc_info=error, extra={"fields": fields})


def _told(error: BaseException) -> dict[str, object]:
    """An error without what somebody may have sent: a message of others may quote it."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    said: dict[str, object] = {
        "kind": type(error).__name__,
        "at": [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames],
    }
    if isinstance(error, SafegenError):
        said["message"] = str(error)
    return said


def logging_config() -> dict[str, Any]:
    """For `logging.config`: everything on standard error, by the formatter above."""
    own = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.JsonFormatter"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "loggers": {"safegen.web": own, "uvicorn": own, "uvicorn.error": own},
    }
