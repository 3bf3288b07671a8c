"""`safegen generate`: a package to signed, explained, logged outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.options import BASELINE, SIGNING, Deployment, Policy, Revoked, TimeTrust, Trust
from safegen.cli.settings import with_settings
from safegen.location import is_missing
from safegen.package.presence import require_package

if TYPE_CHECKING:
    from safegen.config.workspace import Workspace
    from safegen.provenance.log.placing import Settled


@with_settings(workspace=SIGNING)
def generate(
    package: Annotated[Path, typer.Argument(help="A model package, as `safegen train` made it.")],
    out: Annotated[Path, typer.Option(help="Folder for the outputs and their receipts.")],
    purpose: Annotated[str, typer.Option(help="What the outputs are for; it is signed.")] = "",
    count: Annotated[int, typer.Option("-n", "--count", help="How many.")] = 1,
    label: Annotated[
        str | None, typer.Option(help="A class's number or name; all in turn by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="To make the same outputs again.")] = None,
    format: Annotated[  # noqa: A002 - the word that everybody uses
        str | None,
        typer.Option(
            help="Of the files; of pictures png (if unsaid), jpeg, webp, tiff, avif, gif."
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            help="Of the files: fields {id}, {number}, {label}, {label_name}, {seed}; {number:04}."
        ),
    ] = "{id}-{number:04}",
    explain: Annotated[
        Literal["summary", "full"],
        typer.Option(help="`full` draws and signs a picture of each explanation, too."),
    ] = "summary",
    explainer: Annotated[
        str | None, typer.Option(help="The method of explanation; a quick one for summaries.")
    ] = None,
    actor: Annotated[str, typer.Option(help="Who asks, for policies that want to know.")] = "",
    watermark: Annotated[
        Literal["speed", "quality", "none"] | None,
        typer.Option(help="The mark in the pixels; speed where there is room for one, if unsaid."),
    ] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a large release that was cut off in --out.")
    ] = False,
    workspace: Workspace,
    policy: Policy = BASELINE,
    deployment: Deployment = None,
    trust: Trust = None,
    time_trust: TimeTrust = None,
    revoked: Revoked = None,
) -> None:
    """Make outputs that are allowed by a policy, explained, signed and logged."""
    require_package(package)
    _require_cheap(count, policy)
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen.pipeline.generate.model import load
        from safegen.pipeline.generate.outputs import require_free
        from safegen.pipeline.generate.request import parse_request
        from safegen.provenance.log.ledger import Ledger as Log
        from safegen.provenance.log.placing import take_up

        bars("starting", 1, 1)
        if is_missing(workspace.ledger):
            say(f"[dim]Beginning a new ledger: {plain(workspace.ledger)}[/]")
        model = load(
            package,
            workspace=workspace,
            policy=policy,
            deployment=deployment,
            trust=trust,
            time_trust=time_trust,
            revoked=revoked or (),
        )
        _tell(take_up(out, Log(workspace.ledger)))
        if not resume:
            classes = model.config.data.classes
            asked = parse_request(
                count=count, purpose=purpose, label=label, seed=seed, classes=classes
            )
            require_free(out, name, asked, model.in_format(format))
        release = model.generate(
            count,
            purpose=purpose,
            label=label,
            seed=seed,
            format=format,
            name=name,
            explain=explain,
            explainer=explainer,
            actor=actor,
            resume=out if resume else None,
            watermark=watermark,
            progress=bars,
        )
        paths = release.save(out)
    say(
        f"[bold]{plain(out)}[/]: {len(paths)} signed outputs with receipts and explanations, "
        f"seed {release.seed}, logged in {plain(workspace.ledger)}"
    )
    if release.unstamped:
        say(f"[yellow]Without time-stamps:[/] {plain(release.unstamped)}")
    if release.unmarked:
        say(f"[yellow]Without marks:[/] {plain(release.unmarked)}")


def _require_cheap(count: int, policies: list[str]) -> None:
    """What is wrong at first sight is refused before networks are loaded."""
    from safegen.pipeline.generate.request import require_count
    from safegen.policy.load import require_found

    require_count(count)
    require_found(policies)


def _tell(settled: Settled) -> None:
    """What an earlier command left in the folder when it was cut off."""
    if settled.placed:
        say(
            f"[yellow]Finished what was cut off:[/] {len(settled.placed)} files that were logged "
            "are in their places now"
        )
    for place in settled.foreign:
        say(
            f"[yellow]Left alone:[/] {plain(place)} is of another ledger; save into the folder "
            "with that one"
        )
