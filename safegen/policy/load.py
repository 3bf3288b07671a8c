"""A policy file: YAML to Policy; every error names the key path.

name: baseline
description: What every release from safegen must meet.
time_stamps: preferred  # or required; may be left out
rules:
  - id: purpose-stated
    stage: request
    require: request.purpose != ""
    because: A request states what its outputs are for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from safegen.errors import PolicyError
from safegen.policy.extras import stamps_required, training_mining
from safegen.policy.facts import OLD_NAMES
from safegen.policy.rules import Rule, compile_rule
from safegen.schemas.canonical import sha256
from safegen.schemas.decision import Stage
from safegen.screens.registry import registered
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from safegen.schemas.mining import Mining

STAGES = get_args(Stage)
GENERATION = ("request", "release")  # both, or neither in a policy for finished files alone
SCORES = "output.screens."
_RULE_KEYS = {"id", "stage", "require", "because"}
_POLICY_KEYS = {"name", "description", "rules"}
_OPTIONAL_KEYS = {"time_stamps", "training_mining"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A loaded policy.

    Attributes:
        name: its own.
        description: one sentence.
        digest: of the file's bytes.
        rules: compiled, in the file's order; never empty.
        stamps_required: whether nothing may leave without a time-stamp (`time_stamps: required`);
            otherwise, an output leaves without one when the authority does not answer.
        training_mining: what others may do with the outputs, in CAWG's words.
    """

    name: str
    description: str
    digest: str
    rules: tuple[Rule, ...]
    stamps_required: bool
    training_mining: Mining

    @property
    def screens(self) -> frozenset[str]:
        """Names of the screens whose scores its rules judge."""
        spoken = {OLD_NAMES.get(name, name) for rule in self.rules for name in rule.facts}
        return frozenset(name.removeprefix(SCORES) for name in spoken if name.startswith(SCORES))


def load_policy(source: str | Path = "baseline") -> Policy:
    """Load a policy.

    Args:
        source: the name of a shipped policy, or the path of a YAML file.

    Raises:
        PolicyError: it is not there, or something in it is wrong; the message names the key path.
    """
    path = _find(source)
    data = read(path)
    try:
        content = yaml.load(data, _PlainLoader)  # noqa: S506 - builds nothing but text
    except RecursionError as error:
        raise PolicyError(f"{path} is nested too deeply to be a policy") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "its bytes are not text"
        raise PolicyError(f"{path} is not YAML{where}: {problem}") from error
    if not isinstance(content, dict):
        raise PolicyError(f"{path}: expected keys {_listed(_POLICY_KEYS)} at the top")
    stamping = stamps_required(content.get("time_stamps", "preferred"), f"{path}: time_stamps")
    mining = training_mining(content.get("training_mining", {}), f"{path}: training_mining")
    _require_keys(content, _POLICY_KEYS, str(path), optional=_OPTIONAL_KEYS)
    rules = content["rules"]
    if not isinstance(rules, list) or not rules:
        raise PolicyError(
            f"{path}: rules: expected a list of at least one; an empty policy refuses"
        )
    compiled = tuple(_rule(rule, f"{path}: rules[{place}]") for place, rule in enumerate(rules))
    names = [rule.id for rule in compiled]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise PolicyError(f"{path}: rules[{place}].id: {name!r} is taken; give it another name")
    stages = {rule.stage for rule in compiled}
    for stage in GENERATION:
        if stage not in stages and stages != {"publish"}:
            raise PolicyError(f"{path}: rules: none for the {stage} stage, so nothing could leave")
    return Policy(
        name=_text(content, "name", str(path)),
        description=_text(content, "description", str(path)),
        digest=sha256(data),
        rules=compiled,
        stamps_required=stamping,
        training_mining=mining,
    )


class _PlainLoader(yaml.BaseLoader):
    """YAML of lists, mappings and text alone.

    No types to misread (`no`, `2026-01-01`), no references, and no key twice: a second `require`
    would silently replace the first.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen or key.value == "<<":
                problem = f"the key {key.value!r} is there twice or merges others"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def shipped_policies() -> tuple[str, ...]:
    """Names of the policies that come with safegen."""
    return tuple(sorted(path.stem for path in _shipped_folder().glob("*.yaml")))


def _find(source: str | Path) -> Path:
    shipped = _shipped_folder() / f"{source}.yaml"
    if re.fullmatch(r"[\w-]+", str(source)) and shipped.is_file():
        return shipped
    path = Path(source)
    if not path.is_file():
        names = ", ".join(shipped_policies())
        raise PolicyError(f"no policy {source}: name a file, or one that is shipped: {names}")
    return path


def _shipped_folder() -> Path:
    """`policies/` inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "policies"
    return installed if installed.is_dir() else package.parent / "policies"


def _rule(content: Any, key: str) -> Rule:  # noqa: ANN401 - as YAML gave it
    if not isinstance(content, dict):
        raise PolicyError(f"{key}: expected keys {_listed(_RULE_KEYS)}")
    _require_keys(content, _RULE_KEYS, key)
    stage = content["stage"]
    if stage not in STAGES:
        raise PolicyError(f"{key}.stage: {stage!r} is no stage; choose {_listed(STAGES)}")
    return compile_rule(
        id=_text(content, "id", key),
        stage=stage,
        require=_text(content, "require", key),
        because=_text(content, "because", key),
        key=f"{key}.require",
        screens=registered(),
    )


def _require_keys(
    content: dict[Any, Any], needed: set[str], key: str, optional: AbstractSet[str] = frozenset()
) -> None:
    for name in sorted(needed - content.keys()):
        raise PolicyError(f"{key}: {name} is missing")
    known = needed | optional
    for name in sorted(map(str, content.keys() - known)):
        raise PolicyError(f"{key}.{name}: no such key; known are {_listed(known)}")


def _text(content: dict[Any, Any], name: str, key: str) -> str:
    value = content[name]
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(f"{key}.{name}: expected text, found {value!r}")
    return value.strip()


def _listed(names: Any) -> str:  # noqa: ANN401 - any collection of names
    return ", ".join(sorted(names))
