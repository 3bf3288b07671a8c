"""A policy file: YAML to Policy; every error names the file, the line and the key path.

name: baseline
description: What every release from safegen must meet.
time_stamps: preferred  # or required; may be left out
rules:
  - id: purpose-stated
    stage: request
    require: request.purpose != ""
    because: A request states what its outputs are for.

`safegen.schemas.policy` has all keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from safegen.errors import InputError, PolicyError
from safegen.policy.document import parse
from safegen.policy.expression import compile_expression
from safegen.policy.extending import tightened
from safegen.policy.facts_file import require_facts
from safegen.policy.labels import LABEL_RULE, label_condition, label_reason
from safegen.policy.plain_yaml import read_plain
from safegen.policy.policy import Policy, together
from safegen.policy.quotas import condition_of
from safegen.policy.rules import Period, Rule
from safegen.policy.vocabulary import families, nearest, types_at
from safegen.schemas.canonical import sha256
from safegen.schemas.decision import Stage
from safegen.schemas.mining import KEPT_TO_ITSELF
from safegen.schemas.policy import PolicyDocument
from safegen.screens.bound import bound, declared
from safegen.screens.registry import known_with

if TYPE_CHECKING:
    from safegen.policy.plain_yaml import PlainFile
    from safegen.policy.vocabulary import Families
    from safegen.schemas.policy import PeriodDocument, RuleDocument
    from safegen.schemas.quota import QuotaDocument
    from safegen.screens.bound import BoundScreen
    from safegen.screens.screen import Screen

Sources = str | Path | Policy | Iterable[str | Path | Policy]


def load_policies(sources: Sources = "baseline", *, screens: Iterable[Screen] = ()) -> Policy:
    """Load policies that hold together.

    Args:
        sources: one or several: the name of a shipped policy, the path of a YAML file, or a policy
            that is loaded already.
        screens: of which their rules may speak, beside those that are registered.

    Raises:
        PolicyError: none is named, two have one name, or one of them does not load.
    """
    named = (sources,) if isinstance(sources, str | Path | Policy) else tuple(sources)
    passed = tuple(screens)
    return together(
        [each if isinstance(each, Policy) else load_policy(each, screens=passed) for each in named]
    )


def load_policy(source: str | Path = "baseline", *, screens: Iterable[Screen] = ()) -> Policy:
    """Load a policy.

    Args:
        source: the name of a shipped policy, or the path of a YAML file.
        screens: of which its rules may speak, beside those that are registered.

    Raises:
        InputError: what was passed is no screen, or has the name of another.
        PolicyError: it is not there, or something in it is wrong; the message names file, line and
            key path.
    """
    return _load(_find(source, Path()), (), known_with(screens))


def require_found(sources: Iterable[str | Path]) -> None:
    """Refuse policies that are not there, without reading any.

    Raises:
        PolicyError: one is neither shipped nor a file.
    """
    for each in sources:
        _find(each, Path())


def shipped_policies() -> tuple[str, ...]:
    """Names of the policies that come with safegen."""
    return tuple(sorted(path.stem for path in _shipped_folder().glob("*.yaml")))


def _load(path: Path, extending: tuple[Path, ...], known: Mapping[str, Screen]) -> Policy:
    if path.resolve() in extending:
        circle = " -> ".join(each.name for each in (*extending, path))
        raise PolicyError(f"{path}: extends leads back to where it began: {circle}")
    file = read_plain(path)
    document = parse(file, PolicyDocument)
    base = None
    if document.extends is not None:
        base = _load(_find(document.extends, path.parent), (*extending, path.resolve()), known)
    bound = _bound(document, file, known)
    quotas = (*document.quotas, *(base.quotas if base else ()))
    more = families({*bound, *(base.bound if base else ())}, {quota.id for quota in quotas})
    rules = (
        *(_rule(rule, document, more, file, place) for place, rule in enumerate(document.rules)),
        *(_counted(quota, document, more) for quota in document.quotas),
        *(_labelled(document, more) if document.label else ()),
    )
    for place, rule in enumerate(rules):
        if rule.id in [other.id for other in rules[:place]]:
            keys: tuple[str | int, ...] = ("rules", place)
            if place >= len(document.rules):
                keys = ("quotas", place - len(document.rules))
            if rule.id == LABEL_RULE:
                keys = ("label",)
            raise PolicyError(f"{file.at(*keys, 'id')}: {rule.id!r} is taken; give it another name")
    mining = {} if document.training_mining is None else document.training_mining.model_dump()
    own = Policy(
        name=document.name,
        description=document.description,
        digest=sha256(file.data),
        version=document.version,
        law=document.law,
        rules=rules,
        stamps_required=document.time_stamps == "required",
        training_mining={**KEPT_TO_ITSELF, **{k: use for k, use in mining.items() if use}},
        periods=((document.name, _period(document.effective)),) if document.effective else (),
        label=document.label,
        quotas=document.quotas,
        more=more,
        given=document.given,
        tests=tuple(document.tests),
        bound=bound,
    )
    if base is not None:
        own = tightened(own, base, document, file)
    _check_tests(own, file)
    return own


def _bound(
    document: PolicyDocument, file: PlainFile, known: Mapping[str, Screen]
) -> dict[str, BoundScreen]:
    """The screens that rules may speak of: those that are known, and those that are declared."""
    found = {name: bound(screen) for name, screen in known.items()}
    for name, described in document.screens.items():
        try:
            found[name] = declared(name, described, file.path.parent, known, document.name)
        except InputError as error:
            raise PolicyError(f"{file.at('screens', name)}: {error}") from error
    return found


def _find(source: str | Path, beside: Path) -> Path:
    shipped = _shipped_folder() / f"{source}.yaml"
    if re.fullmatch(r"[\w-]+", str(source)) and shipped.is_file():
        return shipped
    path = beside / source
    if path.is_dir():
        raise PolicyError(f"{source} is a folder; name a policy file in it")
    if not path.is_file():
        guess = nearest(str(source), shipped_policies())
        names = ", ".join(shipped_policies())
        raise PolicyError(
            f"no policy {source}: name a file, or one that is shipped: {names}{guess}"
        )
    return path


def _shipped_folder() -> Path:
    """`policies/` inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "policies"
    return installed if installed.is_dir() else package.parent / "policies"


def _rule(
    rule: RuleDocument, document: PolicyDocument, more: Families, file: PlainFile, place: int
) -> Rule:
    try:
        condition = rule.require and compile_expression(rule.require, rule.stage, more)
    except ValueError as error:
        raise PolicyError(f"{file.at('rules', place, 'require')}: {error}") from error
    return Rule(
        id=rule.id,
        stage=rule.stage,
        condition=condition or None,
        attest=rule.attest,
        because=rule.because,
        warns=rule.severity == "warn",
        law=rule.law or (document.law if rule.article else None),
        article=rule.article,
        uncertain=rule.uncertain,
        remedy=rule.remedy,
        effective=_period(rule.effective),
        jurisdiction=tuple(rule.jurisdiction or document.jurisdiction or ()),
        key=f"{document.name}/{rule.id}",
    )


def _counted(quota: QuotaDocument, document: PolicyDocument, more: Families) -> Rule:
    """The rule that a quota is."""
    return Rule(
        id=quota.id,
        stage="request",
        condition=compile_expression(condition_of(quota), "request", more),
        because=quota.because or quota.in_words(),
        remedy=quota.remedy,
        jurisdiction=tuple(document.jurisdiction or ()),
        key=f"{document.name}/{quota.id}",
    )


def _labelled(document: PolicyDocument, more: Families) -> tuple[Rule, ...]:
    """The rule that a label is."""
    assert document.label is not None
    rule = Rule(
        id=LABEL_RULE,
        stage="release",
        condition=compile_expression(label_condition(document.label), "release", more),
        because=label_reason(document.label),
        remedy="Ask for a larger share, or for other samples.",
        jurisdiction=tuple(document.jurisdiction or ()),
        key=f"{document.name}/{LABEL_RULE}",
    )
    return (rule,)


def _period(document: PeriodDocument | None) -> Period:
    return Period() if document is None else Period(begin=document.from_, end=document.until)


def _check_tests(policy: Policy, file: PlainFile) -> None:
    """Tests speak of facts that there are, of their types, and of rules that there are."""
    ids = {rule.id for rule in policy.rules}
    anywhere: dict[str, type] = {}
    for stage in get_args(Stage):
        anywhere |= types_at(stage, policy.more)
    require_facts(policy.given, anywhere, file, ("given",))
    for place, test in enumerate(policy.tests):
        keys = ("tests", place)
        require_facts(test.facts, types_at(test.stage, policy.more), file, (*keys, "facts"))
        for rule in (*test.expect, *test.attested):
            if rule not in ids:
                where = file.at(*keys, "expect" if rule in test.expect else "attested", rule)
                raise PolicyError(f"{where}: no rule {rule!r} here{nearest(rule, ids)}")
