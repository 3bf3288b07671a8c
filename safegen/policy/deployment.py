"""`deployment.yaml`: where and for whom a system runs, and what people vouch for.

provider: Example Studio
placed_on_market: 2026-09-01
exposure: public
jurisdictions: [EU, US-CA]
is_deepfake: false
attested:
  eu-ai-act-art50/terms-forbid-removal:
    by: J. Doe, counsel
    on: 2026-10-01

Its digest is part of every decision that was made with it. What it does not say is not known, and
a rule about it refuses.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.errors import PolicyError
from safegen.policy.document import parse
from safegen.policy.facts import DeploymentFacts, Facts, TimeFacts
from safegen.policy.plain_yaml import read_plain
from safegen.schemas.canonical import sha256
from safegen.schemas.deployment import DeploymentDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from safegen.schemas.deployment import AttestationDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment's file as it was read.

    Attributes:
        facts: about where and for whom.
        attested: who vouches for what, by `policy/rule`.
        digest: of the file's bytes; None where there is no file.
    """

    facts: DeploymentFacts
    attested: Mapping[str, AttestationDocument]
    digest: str | None

    def in_force(self, day: date) -> dict[str, str]:
        """Who vouches for what on a day, in words; what has run out, or not begun, is not there."""
        return {
            rule: f"{told.by} on {told.on}"
            for rule, told in self.attested.items()
            if told.on <= day and (told.until is None or day <= told.until)
        }

    def added_to(self, facts: Facts, now: datetime) -> Facts:
        """Facts, and who vouches for what at that moment."""
        attested = self.in_force(now.date())
        return dataclasses.replace(facts, attested=attested, deployment=self.digest)


UNKNOWN = Deployment(facts=DeploymentFacts(), attested={}, digest=None)


def load_deployment(path: str | Path | None) -> Deployment:
    """Read a deployment's file; without one, nothing of it is known.

    Raises:
        PolicyError: it is not there, or something in it is wrong; names line and key path.
    """
    if path is None:
        return UNKNOWN
    if not Path(path).is_file():
        raise PolicyError(f"no deployment file {path}; docs/policies.md shows one")
    file = read_plain(Path(path))
    document = parse(file, DeploymentDocument)
    told = document.model_dump(exclude={"attested"}, exclude_none=True)
    day = told.pop("placed_on_market", None)
    places = told.pop("jurisdictions", None)
    return Deployment(
        facts=DeploymentFacts(
            **told,
            placed_on_market=None if day is None else day.isoformat(),
            jurisdictions=None if places is None else tuple(places),
        ),
        attested=document.attested,
        digest=sha256(file.data),
    )


def moment(now: datetime) -> TimeFacts:
    """When it is decided; `now` in UTC."""
    return TimeFacts(date=now.date().isoformat(), hour=now.hour)
