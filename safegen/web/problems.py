"""What is answered when there is no answer: RFC 9457 problem details, typed, without our paths.

    {"type": "/problems#too-large", "title": "The request is too large.", "status": 413,
     "detail": "It may have 64 MiB.", "instance": "urn:uuid:..."}

Messages of safegen's own errors name files and servers of whoever runs the service, so they go to
its log; whoever asks is told the type, and whose turn it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from safegen.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safegen.errors import SafegenError

PROBLEM_MIME = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    Attributes:
        status: of HTTP.
        title: what it is, in a sentence.
        help: what whoever asks can do.
    """

    status: int
    title: str
    help: str


KINDS_OF_PROBLEMS = {
    "bad-request": Kind(400, "The request cannot be read.", "Correct it; the detail says what."),
    "unknown-host": Kind(
        400,
        "The service is not known by that name.",
        "Ask it by its own name, or let its operator allow this one (--allowed-host).",
    ),
    "no-key": Kind(
        401,
        "That takes a key.",
        "Send one as the header `Authorization: Bearer KEY`; the service's operator makes them.",
    ),
    "refused": Kind(
        403, "The policy says no.", "See `decision`, which has every rule; nothing was made."
    ),
    "revoked": Kind(
        403, "That was taken back.", "The model, its signer or the policy was revoked by its house."
    ),
    "no-model": Kind(404, "There is no such model.", "Ask for one that `/v1/models` lists."),
    "not-found": Kind(404, "There is nothing here.", "The paths are listed in /openapi.json."),
    "wrong-method": Kind(405, "This cannot be asked in that way.", "The header Allow says how."),
    "too-slow": Kind(408, "The request took too long to arrive.", "Send it again, or less of it."),
    "too-large": Kind(413, "The request is too large.", "Send less; the detail says how much."),
    "invalid": Kind(422, "The request is not what is asked for.", "Correct what `errors` names."),
    "no-file": Kind(422, "No file was sent.", "Send its bytes, or a form with the field `file`."),
    "too-often": Kind(429, "That key asks too often.", "The header Retry-After says when again."),
    "failed": Kind(500, "The service failed.", "Tell its operator the number in `instance`."),
    "busy": Kind(503, "The service is busy.", "Ask again later; the header Retry-After says when."),
    "unavailable": Kind(
        503,
        "The service cannot answer now.",
        "Something that it needs is missing; its operator finds it in the log by `instance`.",
    ),
}
BY_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "wrong-method",
    408: "too-slow",
    413: "too-large",
    422: "invalid",
    503: "busy",
}
RETRY_AFTER_SECONDS = 5
PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}


class Problem(BaseModel):
    """Problem details, as they are sent."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems#too-large"], description="Which kind, as an address.")
    title: str = Field(examples=["The request is too large."])
    status: int = Field(examples=[413])
    detail: str = Field(examples=["It may have 64 MiB."])
    instance: str = Field(examples=["urn:uuid:6b7a0a40-6a2f-4f0a-9f1c-0d5a1c1b7a11"])


@dataclass(eq=False)  # not frozen: an exception is given its traceback when it is raised
class ProblemError(Exception):
    """A request cannot be answered.

    Attributes:
        name: one of `KINDS_OF_PROBLEMS`.
        detail: what is wrong, in a sentence; by default what can be done.
        more: further fields.
        headers: that the answer needs.
    """

    name: str
    detail: str = ""
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Its status and words."""
        return KINDS_OF_PROBLEMS[self.name]

    def details(self, instance: str) -> Problem:
        """What is sent.

        Args:
            instance: the request's own number, by which it is found in the log.
        """
        said: dict[str, JsonValue] = {
            "type": f"/problems#{self.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail or self.kind.help,
            "instance": instance,
            **self.more,
        }
        return Problem.model_validate(said)


def busy(detail: str) -> ProblemError:
    """The service has too much to do."""
    return ProblemError("busy", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def problem_of(error: SafegenError) -> ProblemError:
    """What whoever asks is told of an error; its message may name our paths, and stays here."""
    if isinstance(error, RequestError):
        return ProblemError("invalid", str(error))
    return ProblemError("unavailable")


def described(*names: str) -> dict[int | str, dict[str, Any]]:
    """How an endpoint's problems stand in the OpenAPI document, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    for name in names:
        kind = KINDS_OF_PROBLEMS[name]
        told = found.setdefault(
            kind.status,
            {
                "description": "",
                "content": {PROBLEM_MIME: {"schema": PROBLEM_REFERENCE, "examples": {}}},
            },
        )
        told["description"] = f"{told['description']} {kind.title}".strip()
        example = ProblemError(name).details("urn:uuid:6b7a0a40-6a2f-4f0a-9f1c-0d5a1c1b7a11")
        told["content"][PROBLEM_MIME]["examples"][name] = {"value": example.model_dump()}
    return found
