"""Facts from a YAML file of dotted names, to ask a policy without making anything.

request.purpose: a study
request.count: 4
certificate.epsilon: 8.0
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.errors import PolicyError
from safegen.policy.deployment import UNKNOWN, moment
from safegen.policy.facts import OLD_NAMES, Facts, facts_at
from safegen.policy.plain_yaml import read_plain
from safegen.policy.vocabulary import nearest, types_at, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from safegen.policy.deployment import Deployment
    from safegen.policy.facts import Fact
    from safegen.policy.plain_yaml import PlainFile, Step
    from safegen.policy.policy import Policy
    from safegen.policy.vocabulary import Kind
    from safegen.schemas.decision import Stage


def read_facts(path: Path, stage: Stage, policy: Policy, deployment: Deployment = UNKNOWN) -> Facts:
    """Read the facts of a stage; those about the deployment and the time are added.

    Args:
        path: of the file.
        stage: when it is asked.
        policy: that will judge them.
        deployment: where and for whom the system runs.

    Raises:
        PolicyError: a fact is not known at that stage, or is of another type.
    """
    file, now = read_plain(path), datetime.now(UTC)
    types = types_at(stage, policy.more)
    if not isinstance(file.content, dict):
        raise PolicyError(f"{path}: expected facts by name, such as request.purpose: a study")
    require_facts(file.content, types, file, ())
    told = {
        name: value_of(text, types[name]) for name, text in file.content.items() if text != "null"
    }
    always = facts_at(stage, deployment.facts, moment(now))
    known = Facts(stage=stage, known={**always.known, **in_both_spellings(told)})
    return deployment.added_to(known, now)


def in_both_spellings(known: Mapping[str, Fact]) -> dict[str, Fact]:
    """Facts by their names of today, and by those of 0.1 where they had others."""
    both = {new: known[old] for old, new in OLD_NAMES.items() if old in known} | dict(known)
    return both | {old: both[new] for old, new in OLD_NAMES.items() if new in both}


def require_facts(
    facts: Mapping[str, object],
    types: Mapping[str, Kind],
    file: PlainFile,
    keys: tuple[Step, ...],
) -> None:
    """Refuse facts that there are not at a stage, or that are of another type.

    Raises:
        PolicyError: names file, line, key path and the nearest right name.
    """
    for name, text in facts.items():
        if name not in types:
            where = file.at(*keys, name)
            guess = nearest(name, types)
            if any(known.startswith(f"{name}.") for known in types):  # nested, as YAML invites
                guess = f"; write each fact with its whole name, as in {name}.NAME: VALUE"
            raise PolicyError(f"{where}: no fact {name!r} at this stage{guess}")
        if text == "null":
            continue
        try:
            value_of(text, types[name])
        except ValueError as error:
            raise PolicyError(f"{file.at(*keys, name)}: {error}") from error
