"""What the endpoints of one application share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from starlette.requests import Request

    from safegen.config.service import ServiceConfig
    from safegen.web.generating import Generating
    from safegen.web.metrics import Metrics
    from safegen.web.verifying import Verifier


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the endpoints of one application share.

    Attributes:
        service: how much is taken.
        metrics: what operators see.
        verifier: files to verdicts.
        generating: releases; None where nothing is generated.
        ready_since: when it was last seen to be ready, by the monotonic clock.
    """

    service: ServiceConfig
    metrics: Metrics
    verifier: Verifier
    generating: Generating | None = None
    ready_since: float = -math.inf


def parts_of(request: Request) -> Parts:
    """Those of the application that answers a request."""
    return cast("Parts", request.app.state.parts)
