"""`safegen plan`: what runs would cost, before any of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.console import out as console
from safegen.cli.options import DATA, LOADING
from safegen.cli.settings import Settings, with_settings
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from safegen.data.dataset import DataSet
    from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan

# What has no part in a plan is not asked for.
PROMISED = Settings(PrivacyConfig, "Privacy", leaving=("epsilon", "canaries"))
TRAINED = Settings(TrainingConfig, "Training", leaving=("seed",))
USUAL = f"{PrivacyConfig().epsilon:g}"


@with_settings(read=LOADING, privacy=PROMISED, training=TRAINED)
def plan(
    data: Annotated[str, typer.Argument(help=DATA)],
    epsilon: Annotated[
        str, typer.Option(metavar="NUMBERS", help="What runs may cost, as in 1,4,8.")
    ] = USUAL,
    *,
    read: Callable[..., DataSet],
    privacy: PrivacyConfig,
    training: TrainingConfig,
) -> None:
    """Tell what runs would be like and cost; nothing is trained, granted or spent."""
    asked = [replace(privacy, epsilon=each) for each in _numbers(epsilon)]
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen.cli.train import with_public_data
        from safegen.pipeline.train import planning

        bars("starting", 1, 1)
        bars("planning", 0, len(asked))
        records, training = read(data), with_public_data(training, read)
        plans = []
        for number, each in enumerate(asked, 1):
            plans.append(planning.plan(records, each, training))
            bars("planning", number, len(asked))
    card = records.card
    console.print(_table(plans))
    say(
        f"\nEpsilon is for one of {card.units:,} {plain(card.unit)}s of {plain(card.name)}. "
        "Nothing was spent; whether a budget has room is decided when a run begins."
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise InputError(f"--epsilon is {text!r}; give a number, or several as in 1,4,8") from error


def _table(plans: list[PrivacyPlan]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("epsilon", "costs", "delta", "steps", "batch", "noise"):
        table.add_column(name, justify="right")
    table.add_column("releases, with their noise", overflow="fold")
    for each in plans:
        table.add_row(
            f"{each.epsilon:g}",
            f"{each.costs():.4f}",
            f"{each.delta:.2e}",
            f"{each.affordable_steps():,}",
            f"{each.expected_batch_size:,}",
            f"{each.noise_multiplier:.3f}",
            ", ".join(map(_told, each.releases)) or "none",
        )
    return table


def _told(release: DpRelease) -> str:
    times = f"{release.count} x " if release.count > 1 else ""
    return f"{times}{release.purpose} {release.noise_multiplier:.1f}"
