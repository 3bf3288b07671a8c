"""What is different between two policies, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from safegen.policy.policy import Policy
    from safegen.policy.rules import Rule


def differences(old: Policy, new: Policy) -> tuple[str, ...]:
    """Each difference as one line; none where both ask the same."""
    return (*_settings(old, new), *_rules(old, new))


def _settings(old: Policy, new: Policy) -> Iterator[str]:
    for name, before, after in (
        ("name", old.name, new.name),
        ("version", old.version, new.version),
        ("time_stamps required", old.stamps_required, new.stamps_required),
        ("in force", _periods(old), _periods(new)),
    ):
        if before != after:
            yield f"{name}: {before} -> {after}"
    for use, before in old.training_mining.items():
        if before != new.training_mining[use]:
            yield f"training_mining.{use}: {before} -> {new.training_mining[use]}"


def _periods(policy: Policy) -> str:
    return ", ".join(str(period) for _, period in policy.periods) or "always"


def _rules(old: Policy, new: Policy) -> Iterator[str]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for name, rule in before.items():
        if name not in after:
            yield f"rule {name} is gone: it asked for {_asked(rule)}"
    for name, rule in after.items():
        if name not in before:
            yield f"rule {name} is new, at {rule.stage}: {_asked(rule)}"
        else:
            yield from _changed(before[name], rule)


def _changed(old: Rule, new: Rule) -> Iterator[str]:
    for what, before, after in (
        ("asks for", _asked(old), _asked(new)),
        ("is asked at", old.stage, new.stage),
        ("when broken", _severity(old), _severity(new)),
        ("holds", str(old.effective) or "always", str(new.effective) or "always"),
        ("holds in", _places(old), _places(new)),
        ("comes from", old.source or "nothing named", new.source or "nothing named"),
        ("says", old.because, new.because),
    ):
        if before != after:
            yield f"rule {new.id} {what}: {before} -> {after}"


def _asked(rule: Rule) -> str:
    sworn = f"the word of {rule.attest.who} that {rule.attest.what}" if rule.attest else ""
    return " and ".join(each for each in (rule.require, sworn) if each)


def _severity(rule: Rule) -> str:
    return "warns" if rule.warns else "denies"


def _places(rule: Rule) -> str:
    return ", ".join(rule.jurisdiction) or "every place"
