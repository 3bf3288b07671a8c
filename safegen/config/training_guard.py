"""What must allow a training before its budget is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingGuard:
    """Policies whose rules of the `train` stage are asked about a plan and its data.

    Attributes:
        policy: shipped policies' names, or YAML files; all must allow. Each stage that is asked
            needs a rule, so a set without one for `train` refuses.
        deployment: a YAML file that says where and for whom the system will run.
        purpose: what the generator is for; policies may ask for it.
    """

    policy: str | Path | Sequence[str | Path] = "baseline"
    deployment: str | Path | None = None
    purpose: str = ""
