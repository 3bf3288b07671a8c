"""What a policy makes of the one that it extends: it may tighten it, which is checked here.

Every rule of the base holds as well. A rule of the same id is asked beside the base's, so that it
cannot allow what the base denies, whatever it says; where it would change when, where or how
strictly the base's holds, it is refused, since that could not be seen in its condition.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from safegen.errors import PolicyError
from safegen.policy.expression import compile_expression
from safegen.policy.labels import one_label
from safegen.policy.policy import STRICTEST_FIRST, Policy
from safegen.policy.quotas import counts_otherwise, merged
from safegen.schemas.canonical import sha256

if TYPE_CHECKING:
    from safegen.policy.plain_yaml import PlainFile
    from safegen.policy.rules import Rule
    from safegen.schemas.label import LabelDocument
    from safegen.schemas.policy import PolicyDocument
    from safegen.schemas.quota import QuotaDocument


def tightened(own: Policy, base: Policy, document: PolicyDocument, file: PlainFile) -> Policy:
    """The base with what the policy adds.

    Raises:
        PolicyError: it loosens something; says what, with line and key path.
    """
    if own.name == base.name:
        raise PolicyError(f"{file.at('name')}: {own.name!r} is the name of what it extends")
    if base.stamps_required and document.time_stamps == "preferred":
        raise _loosens(file, ("time_stamps",), f"{base.name} requires time-stamps")
    for name in document.screens:
        if base.bound.get(name) is not None and base.bound[name].by is not None:
            raise _loosens(file, ("screens", name), f"{base.bound[name].by} declares it")
    told = {} if document.training_mining is None else document.training_mining.model_dump()
    mining = dict(base.training_mining)
    for name, use in told.items():
        if use is None:
            continue
        if STRICTEST_FIRST.index(use) > STRICTEST_FIRST.index(mining[name]):
            reason = f"{base.name} says {mining[name]}"
            raise _loosens(file, ("training_mining", name), reason)
        mining[name] = use
    places = {rule.id: place for place, rule in enumerate(own.rules)}
    inherited = {rule.id: rule for rule in base.rules}
    rules = tuple(
        _both(rule, own.rules[places[rule.id]], own, file, places[rule.id])
        if rule.id in places
        else rule
        for rule in base.rules
    )
    return dataclasses.replace(
        own,
        digest=sha256(f"{base.digest}\n{own.digest}\n".encode()),
        rules=(*rules, *(rule for rule in own.rules if rule.id not in inherited)),
        stamps_required=own.stamps_required or base.stamps_required,
        training_mining=mining,
        periods=(*base.periods, *own.periods),
        bound={**base.bound, **{name: own.bound[name] for name in document.screens}},
        bases=(base.digest, *base.bases),
        label=_label(own, base, file),
        quotas=_quotas(own, base, file),
    )


def _label(own: Policy, base: Policy, file: PlainFile) -> LabelDocument | None:
    """The label of both; one's own may only be larger, and stand out more."""
    mine, other = own.label, base.label
    if mine is not None and other is not None:
        for key in ("share", "contrast"):
            asked, least = getattr(mine, key), getattr(other, key)
            if asked is not None and least is not None and asked < least:
                raise _loosens(file, ("label", key), f"{base.name} asks for {least}")
    return one_label([other, mine])


def _quotas(own: Policy, base: Policy, file: PlainFile) -> tuple[QuotaDocument, ...]:
    """The quotas of both; one of the same id may only be smaller."""
    inherited = {quota.id: quota for quota in base.quotas}
    for place, quota in enumerate(own.quotas):
        other = inherited.get(quota.id)
        if other is None:
            continue
        if counts_otherwise(quota, other):
            raise _loosens(file, ("quotas", place), f"{base.name} counts {other.id} otherwise")
        if quota.outputs > other.outputs:
            keys = ("quotas", place, "outputs")
            raise _loosens(file, keys, f"{base.name} allows {other.outputs}")
    return merged([*base.quotas, *own.quotas])


def _both(base: Rule, own: Rule, policy: Policy, file: PlainFile, place: int) -> Rule:
    """One rule that asks what both ask."""
    keys = ("rules", place)
    if own.stage != base.stage:
        raise _loosens(file, (*keys, "stage"), f"{base.id} is asked at the {base.stage}")
    if own.warns and not base.warns:
        raise _loosens(file, (*keys, "severity"), f"{base.id} denies, and would only warn")
    if own.effective != base.effective and document_says(file, place, "effective"):
        raise _loosens(file, (*keys, "effective"), f"{base.id} holds at other times")
    if document_says(file, place, "jurisdiction") and own.jurisdiction != base.jurisdiction:
        raise _loosens(file, (*keys, "jurisdiction"), f"{base.id} holds elsewhere, too")
    if base.attest is not None and own.attest is not None:
        raise _loosens(file, (*keys, "attest"), f"{base.id} asks for another's word")
    texts = [each.condition.text for each in (base, own) if each.condition is not None]
    condition = None
    if texts:
        try:
            condition = compile_expression(
                " && ".join(f"({text})" for text in texts), base.stage, policy.more
            )
        except ValueError as error:
            raise PolicyError(f"{file.at(*keys, 'require')}: with {base.id}: {error}") from error
    return dataclasses.replace(
        own,
        condition=condition,
        attest=own.attest or base.attest,
        effective=base.effective,
        jurisdiction=base.jurisdiction,
        key=own.key if own.attest else base.key,
    )


def document_says(file: PlainFile, place: int, key: str) -> bool:
    """Whether a rule says a key itself, rather than having it from its policy."""
    return ("rules", place, key) in file.lines


def _loosens(file: PlainFile, keys: tuple[str | int, ...], reason: str) -> PolicyError:
    return PolicyError(
        f"{file.at(*keys)}: a policy may only tighten what it extends; this loosens it: {reason}"
    )
