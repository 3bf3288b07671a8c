"""`safegen screens`: what measures samples before they leave, and how often it is mistaken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from safegen.cli.console import plain, say
from safegen.cli.options import KEYS, Keys

if TYPE_CHECKING:
    from safegen.schemas.audit import Rate
    from safegen.schemas.measurement import ScreenMeasurement
    from safegen.screens.bound import BoundScreen

app = typer.Typer(help="Screens: what measures outputs for policies.", no_args_is_help=True)
Policies = Annotated[
    list[str] | None,
    typer.Option("--policy", help="A policy that declares screens; repeatable."),
]


@app.command("list")
def list_screens(policy: Policies = None) -> None:
    """Name the screens that rules may speak of: those that are registered, and a policy's own."""
    for name, screen in _bound(policy or []).items():
        about = (type(screen.screen).__doc__ or "").split("\n")[0]
        whose = f", declared by {screen.by}" if screen.by else ""
        say(f"[bold]{plain(name)}[/]  {plain(about)}[dim]{plain(whose)}[/]")
        if screen.threshold is not None:
            say(f"  denies {screen.denies} {screen.threshold:g}")
        if screen.file_digest:
            say(f"  [dim]file {screen.file_digest}[/]")
        say(f"  [dim]{screen.digest}[/]")


@app.command("measure")
def measure(
    screen: Annotated[str, typer.Argument(help="A screen's name.")],
    allowed: Annotated[Path, typer.Option(help="A folder of pictures that it should let pass.")],
    forbidden: Annotated[Path, typer.Option(help="A folder of pictures that it should deny.")],
    policy: Policies = None,
    keys: Keys = KEYS,
    threshold: Annotated[
        float | None, typer.Option(help="Of its score; by default the policy's.")
    ] = None,
    denies: Annotated[
        Literal["above", "below"] | None, typer.Option(help="The side on which scores deny.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals, between 0 and 1.")] = 0.95,
    out: Annotated[
        Path | None, typer.Option(help="Where the record goes; by default SCREEN.measured.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The record as JSON, too.")] = False,
) -> None:
    """Measure how often a screen is mistaken, and sign what was found.

    The pictures must be none that a generator was trained on, and like those that it will make.
    """
    import dataclasses

    from safegen.errors import InputError
    from safegen.pipeline.screens import measure_screen
    from safegen.policy.vocabulary import nearest
    from safegen.schemas.canonical import canonical_bytes
    from safegen.storage import require_writable, write

    known = _bound(policy or [])
    if screen not in known:
        names = ", ".join(known)
        raise InputError(f"no screen {screen!r}{nearest(screen, known)}; known are {names}")
    asked = known[screen]
    asked = dataclasses.replace(
        asked,
        threshold=asked.threshold if threshold is None else threshold,
        denies=asked.denies if denies is None else denies,
    )
    place = out or Path(f"{screen}.measured.json")
    require_writable(place.parent)
    record = measure_screen(
        asked,
        allowed=allowed,
        forbidden=forbidden,
        keys=keys,
        confidence=confidence,
    )
    write(place, canonical_bytes(record))
    if json:
        sys.stdout.write(record.model_dump_json(indent=2) + "\n")
    else:
        _tell(record)
        say(
            f"\nSigned in [bold]{plain(place)}[/]; a policy names it beside the screen's threshold."
        )


@app.command("protect")
def protect(
    registry: Annotated[Path, typer.Argument(help="A likeness registry; begun where none is.")],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures; only codes of them are kept.")],
    name: Annotated[str, typer.Option(help="By which your house knows who or what it is.")],
    what: Annotated[Literal["person", "mark"], typer.Option(help="What it is.")],
    consent: Annotated[
        str | None, typer.Option(help="Where the consent is kept, if outputs may resemble it.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Its last day, as 2027-06-30.")] = None,
) -> None:
    """Add what outputs may not resemble to a registry, by perceptual codes, which find copies.

    Embeddings, which find what looks alike, are made in Python (safegen.screens.likeness).
    """
    from datetime import date

    from safegen.errors import InputError
    from safegen.screens.likeness import protect as add

    if (consent is None) != (until is None):
        raise InputError("a consent has a reference and a last day: give --consent and --until")
    given = None
    if consent is not None and until is not None:
        try:
            given = consent, date.fromisoformat(until)
        except ValueError as error:
            raise InputError(f"--until is {until!r}; give a day such as 2027-06-30") from error
    digest = add(registry, pictures, name=name, what=what, consent=given)
    say(f"[bold]{plain(registry)}[/]: {len(pictures)} more, no picture kept. A policy names it by")
    say(f"  digest: {digest}")


def _bound(policies: list[str]) -> dict[str, BoundScreen]:
    from safegen.policy.load import load_policies
    from safegen.screens.bound import bound
    from safegen.screens.registry import registered

    if policies:
        return dict(sorted(load_policies(policies).bound.items()))
    return {name: bound(screen) for name, screen in registered().items()}


def _tell(record: ScreenMeasurement) -> None:
    side = "or more" if record.denies == "above" else "or less"
    say(f"[bold]{plain(record.screen)}[/] denies scores of {record.threshold:g} {side}.")
    share = f"{record.confidence:.0%}"
    for name, rate, of in (
        ("misses", record.miss_rate, record.forbidden),
        ("false alarms", record.false_alarm_rate, record.allowed),
    ):
        failed = f"; {of.failed} gave no score, which denies" if of.failed else ""
        say(f"  {name:<13}{_percent(rate)} ({share} interval, {of.count:,} pictures{failed})")
    say("\n  threshold   misses   false alarms")
    step = max(1, len(record.curve) // 10)
    for point in record.curve[::step]:
        missed = point.missed / record.forbidden.count
        alarms = point.alarms / record.allowed.count
        say(f"  {point.threshold:9.4g}  {missed:7.2%}  {alarms:13.2%}")


def _percent(rate: Rate) -> str:
    return f"{rate.value:.2%}, between {rate.low:.2%} and {rate.high:.2%}"
