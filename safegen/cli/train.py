"""`safegen train`: a data set to a certified model package."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.options import (
    DATA,
    EXECUTION,
    KEYS,
    LOADING,
    PRIVACY,
    TRAINING,
    WORKSPACE,
    Deployment,
)
from safegen.cli.settings import given_in, with_settings
from safegen.errors import FewRecordsWarning, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.config.privacy import PrivacyConfig
    from safegen.config.training import TrainingConfig
    from safegen.config.training_guard import TrainingGuard
    from safegen.config.workspace import Workspace
    from safegen.data.dataset import DataSet
    from safegen.pipeline.generate.model import Model
    from safegen.privacy.execution.settings import Execution


@with_settings(
    read=LOADING,
    privacy=PRIVACY,
    training=TRAINING,
    execution=EXECUTION,
    workspace=WORKSPACE,
)
def train(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help=DATA)],
    out: Annotated[Path, typer.Option(help="Folder of the new model package.")],
    *,
    read: Callable[..., DataSet],
    privacy: PrivacyConfig,
    training: TrainingConfig,
    execution: Execution,
    workspace: Workspace,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A policy whose rules for training must allow it; repeatable."),
    ] = None,
    deployment: Deployment = None,
    purpose: Annotated[
        str, typer.Option(help="What the generator is for, for policies that ask.")
    ] = "",
    resume: Annotated[
        bool, typer.Option(help="Go on with the interrupted run in --out, as it was begun.")
    ] = False,
) -> None:
    """Train a generator within a privacy budget, and package it with its certificate.

    Without any keys in ./keys, a development chain is made there first.
    """
    guard = _guard(policy, deployment, purpose)
    if resume:
        _require_undecided(context)
    speaks = os.environ.get("RANK", "0") == "0"  # of several that torchrun started, the first
    try:
        with Bars(quiet=not speaks) as bars:
            bars("starting", 0, 1)
            records: DataSet = read(data)
            if speaks and not resume:  # what is refused is refused before torch is there
                if guard is not None:
                    _require_allowed(records, privacy, guard)
                training = with_public_data(training, read)
                _admit(records, privacy, training, workspace)
            if speaks:
                _make_keys_unless_there(str(workspace.keys))
            from safegen.pipeline.train import train as pipeline

            bars("starting", 1, 1)
            if resume:
                made = pipeline.resume(
                    out, records, execution=execution, workspace=workspace, progress=bars
                )
            else:
                made = pipeline.train(
                    records,
                    out=out,
                    privacy=privacy,
                    training=training,
                    execution=execution,
                    workspace=workspace,
                    guard=guard,
                    progress=bars,
                )
    except KeyboardInterrupt:
        say(
            "If training had begun, what it was granted stays spent, and --resume "
            "goes on with it: with the same data, --out and places (--budget, --ledger, --keys, "
            "--data-root), and without what the run has decided (--epsilon, --steps and such)."
        )
        raise
    if speaks:
        _tell(made, out)
        if workspace.timestamp_url is not None and made.time_stamp is None:
            say(
                f"[yellow]Without a time-stamp:[/] {plain(workspace.timestamp_url)} did not give "
                "one."
            )


def _guard(policy: list[str] | None, deployment: Path | None, purpose: str) -> TrainingGuard | None:
    """Whom to ask; nobody where no policy is named.

    Raises:
        InputError: something is given that nobody would be told.
    """
    from safegen.config.training_guard import TrainingGuard

    if policy:
        return TrainingGuard(policy=policy, deployment=deployment, purpose=purpose)
    if deployment is not None or purpose:
        raise InputError("--deployment and --purpose are for policies; name one with --policy")
    return None


def _require_allowed(records: DataSet, privacy: PrivacyConfig, guard: TrainingGuard) -> None:
    from safegen.pipeline.train.admission import require_allowed

    decision = require_allowed(records.card, privacy, guard)
    say(f"[dim]{plain(decision.policy)} allows this training.[/]")


def with_public_data(training: TrainingConfig, read: Callable[..., DataSet]) -> TrainingConfig:
    """The same, with the data set that --prior may name, loaded like the records."""
    from safegen.pipeline.train.planning import with_pictures

    return with_pictures(training, partial(read, download=False, groups=None))


def _admit(
    records: DataSet, privacy: PrivacyConfig, training: TrainingConfig, workspace: Workspace
) -> None:
    """Refuse what has no room, and warn of what may not be worth its budget, before any work.

    Raises:
        BudgetRefused: the data set's total would be exceeded.
    """
    from safegen.pipeline.train.admission import few_records, require_admission
    from safegen.privacy.accounting.budget import Budget

    budget = Budget(workspace.budget)
    require_admission(records.card, records.grouping, privacy, training, budget)
    few = few_records(records.card, privacy.epsilon)
    if few is not None:
        warnings.simplefilter("ignore", FewRecordsWarning)  # it is said here, and once
        say(f"[yellow]{plain(few)}[/]")


def _require_undecided(context: typer.Context) -> None:
    """Somebody who resumes with another epsilon would believe that it holds.

    Raises:
        InputError: an option was given that the run has decided already.
    """
    given = given_in(context, PRIVACY, TRAINING)
    if given:
        raise InputError(
            f"a resumed run goes on as it was begun; leave out {', '.join(given)}, or begin "
            "another run in a new folder"
        )


def _tell(made: Model, out: Path) -> None:
    """What came of it."""
    certificate = made.certificate
    ran = sum(event.count for event in certificate.events if hasattr(event, "sampling_probability"))
    if certificate.outcome == "budget_exhausted":
        say(f"[yellow]The budget was exhausted after {ran} steps, and training stopped there.[/]")
    say(
        f"[bold]{plain(out)}[/]: {plain(made.config.name)}, epsilon {certificate.epsilon:.4f} at "
        f"delta {certificate.delta:.2e} for one of {certificate.units:,} {certificate.unit}s, "
        f"{ran} private steps on {certificate.data.size()}"
    )
    if certificate.unit == "record" and not certificate.data.public:
        say(
            "[dim]Each record is protected by itself, and this data set's budget now counts so: "
            "people with several records are protected less.[/]"
        )
    bound = certificate.lower_bound
    if bound is not None:
        say(f"[dim]{bound.in_words().capitalize()}; the guarantee is the epsilon above.[/]")


def _make_keys_unless_there(keys: str) -> None:
    """The default folder may be empty: then a newcomer gets a development chain, and is told.

    Of several commands that begin at once, one makes it, and the others wait.
    """
    from safegen import storage
    from safegen.provenance.keys import pki

    folder = Path(keys)
    if keys != KEYS or (folder / pki.LEAF).exists():  # the last file that is written
        return
    with storage.exclusive_lock(Path()):
        if folder.exists():
            return
        pki.init(folder)
    say("[dim]No keys here yet: made a development chain in keys/ (trust keys/root.pem).[/]")
