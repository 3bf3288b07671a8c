"""`safegen certificate`: what a privacy certificate says, and whether its events bear it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import plain, say

if TYPE_CHECKING:
    from safegen.schemas.certificate import Event, PrivacyCertificate

app = typer.Typer(help="Privacy certificates.", no_args_is_help=True)
Place = Annotated[Path, typer.Argument(help="A model package, or a certificate.json.")]


@app.command("show")
def show(place: Place) -> None:
    """Show what a certificate says, in words."""
    from rich.table import Table

    from safegen.privacy.accounting.recompute import epsilon_toward_a_total

    certificate = _read(place)
    noise, bound = certificate.noise, certificate.lower_bound
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    rows = {
        "data": f"{certificate.data.name}, {certificate.data.size()}",
        "epsilon": f"at most {certificate.epsilon:.6f} (allowed {certificate.target_epsilon:g}) "
        f"at delta {certificate.delta:.3g}",
        "over runs": "as the first of several, each chosen by what earlier ones gave, it counts "
        f"as {epsilon_toward_a_total(certificate):.4g}",
        "attack": "none was measured" if bound is None else bound.in_words(),
        "neighbours": certificate.difference(),
        "unit": _unit(certificate),
        "sampling": certificate.sampling,
        "noise": f"from the {noise.source}, on a lattice of {noise.lattice_spacing:.3g}, for the "
        f"clipping norm {certificate.clipping_norm:g} and a margin of "
        f"{noise.sensitivity_margin:.3%}",
        "outcome": certificate.outcome.replace("_", " "),
        "accountant": certificate.accountant,
        "trust": certificate.trust_model,
    }
    for name, text in rows.items():
        table.add_row(f"[bold]{name}[/]", plain(text))
    for event in certificate.events:
        table.add_row("[bold]event[/]", plain(_event(event, certificate.unit)))
    for name, texts in (
        ("public", certificate.public_by_assumption),
        ("not protected", certificate.not_protected),
    ):
        for text in texts:
            table.add_row(f"[bold]{name}[/]", plain(text))
    console.print(table)
    say("[dim]Not checked here: `safegen certificate check` computes epsilon again.[/]")


@app.command("check")
def check(place: Place) -> None:
    """Compute epsilon again from the events; exit 1 when the claim does not follow."""
    from safegen.privacy.accounting.recompute import faults, recomputed_epsilon

    certificate = _read(place)
    found = faults(certificate)
    for fault in found:
        say(f"[red]failed[/]  {plain(fault)}")
    if found:
        raise typer.Exit(1)
    kinds = len(certificate.events)
    say(
        f"[green]passed[/]  epsilon {recomputed_epsilon(certificate):.6f} at delta "
        f"{certificate.delta:.3g} follows from {kinds} kind{'s' * (kinds > 1)} of events "
        f"({plain(certificate.accountant)})"
    )
    say("[dim]The certificate alone: `safegen verify` also checks who signed it.[/]")


def _event(event: Event, unit: str) -> str:
    """One kind of event in words."""
    if event.event == "gaussian":
        return f"{event.count:,} release of every {unit}, noise {event.noise_multiplier:.4g}"
    return (
        f"{event.count:,} steps, each with {event.sampling_probability:.3%} of the {unit}s, "
        f"noise {event.noise_multiplier:.4g}"
    )


def _unit(certificate: PrivacyCertificate) -> str:
    if certificate.unit == "record":
        return f"one record of {certificate.units:,}"
    return (
        f"one group of {certificate.units:,}, at most {certificate.records_per_unit} of its "
        "records in a step"
    )


def _read(place: Path) -> PrivacyCertificate:
    """The certificate in a file or a package.

    Raises:
        DataError: it is none, or has an event that nobody here can account for.
    """
    from pydantic import ValidationError

    from safegen import storage
    from safegen.errors import DataError
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.names import CERTIFICATE

    path = place / CERTIFICATE if place.is_dir() else place
    try:
        return PrivacyCertificate.model_validate_json(storage.read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise DataError(
            f"{path} is no certificate that can be checked here: {where}: {problem['msg']}; it may "
            "be of another version"
        ) from error
