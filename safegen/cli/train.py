"""`safegen train`: a data set to a certified model package."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.options import Budget, Keys, Ledger, TimeStamps
from safegen.errors import FewRecordsWarning, InputError
from safegen.schemas.choices import Family, WarmStart

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet
    from safegen.pipeline.generate.model import Model
    from safegen.training.config import Wishes


DECIDED = (  # when a run begins; with --resume they are what they were
    "model",
    "epsilon",
    "delta",
    "steps",
    "batch",
    "noise_multiplier",
    "records_per_group",
    "seed",
    "canaries",
    "prior",
    "warm_start",
)


def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(help="digits, mnist, fashion-mnist, a .npz file, or a folder of pictures."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new model package.")],
    model: Annotated[Family, typer.Option(help="What to train.")] = "vae",
    epsilon: Annotated[float, typer.Option(help="The most that the run may cost.")] = 8.0,
    delta: Annotated[
        float | None, typer.Option(help="By default 1/(n ln n), and 0.001 at most.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Private steps; a preset by default.")] = None,
    batch: Annotated[
        int | None, typer.Option(help="Expected records, or groups, in a step.")
    ] = None,
    noise_multiplier: Annotated[
        float | None, typer.Option(help="Sought by default; else training stops when spent.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder that holds MNIST/raw or FashionMNIST/raw.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Resize pictures to this many pixels.")] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV of record,group: then a group, such as a patient, is protected."),
    ] = None,
    records_per_group: Annotated[
        int | None, typer.Option(help="Records of a group in a step, at most; 4 by default.")
    ] = None,
    download: Annotated[bool, typer.Option(help="Fetch a missing benchmark.")] = False,
    seed: Annotated[int, typer.Option(help="Of first weights; never of noise.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    mode: Annotated[
        str, typer.Option(help="book-keeping, or Opacus' hooks, ew, functorch, ghost.")
    ] = "book-keeping",
    micro_batch: Annotated[
        int | None, typer.Option(help="Rows at a time, to save memory; the same sum.")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, or on a GPU tf32 or bf16.")] = "float32",
    canaries: Annotated[
        int, typer.Option(help="Made-up units that prove a lower bound; 0 for none.")
    ] = 1000,
    prior: Annotated[
        str,
        typer.Option(
            help="Pictures that networks learn from first, at no cost: strokes, silhouettes or "
            "leaves, drawn by code; a public data set; none; or the preset's."
        ),
    ] = "auto",
    warm_start: Annotated[
        WarmStart, typer.Option(help="moments: learn from one-shot releases first.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option(help="Go on with the interrupted run in --out, as it was begun.")
    ] = False,
    keys: Keys = "keys",
    ledger: Ledger = "ledger.db",
    budget: Budget = None,
    time_stamps: TimeStamps = None,
) -> None:
    """Train a generator within a privacy budget, and package it with its certificate.

    Without any keys in ./keys, a development chain is made there first.
    """
    if resume:
        _require_undecided(context)
    speaks = os.environ.get("RANK", "0") == "0"  # of several that torchrun started, the first
    try:
        with Bars(quiet=not speaks) as bars:
            bars("starting", 0, 1)
            records: DataSet | str = data
            if speaks and not resume:  # what is refused is refused before torch is there
                from safegen.data.sources import load
                from safegen.training.config import Wishes

                records = load(
                    data, data_root=data_root, size=size, download=download, groups=groups
                )
                wishes = Wishes(
                    epsilon=epsilon,
                    delta=delta,
                    model=model,
                    steps=steps,
                    batch=batch,
                    noise_multiplier=noise_multiplier,
                    records_per_group=records_per_group,
                    seed=seed,
                    canaries=canaries,
                    prior=prior,
                    warm_start=warm_start,
                )
                _admitted(records, wishes, budget)
            if speaks:
                _make_keys_unless_there(keys)
            from safegen.pipeline.train import train as pipeline
            from safegen.privacy.execution.settings import execution_of

            bars("starting", 1, 1)
            made = pipeline.train(
                records,
                out=out,
                epsilon=epsilon,
                delta=delta,
                model=model,
                steps=steps,
                batch=batch,
                noise_multiplier=noise_multiplier,
                data_root=data_root,
                size=size,
                download=download,
                groups=groups if records is data else None,
                records_per_group=records_per_group,
                seed=seed,
                device=device,
                execution=execution_of(mode, micro_batch, precision),
                canaries=canaries,
                prior=prior,
                warm_start=warm_start,
                resume=resume,
                keys=keys,
                ledger=ledger,
                budget=budget,
                time_stamps=time_stamps,
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
        if time_stamps is not None and made.time_stamp is None:
            say(f"[yellow]Without a time-stamp:[/] {plain(time_stamps)} did not give one.")


def _admitted(records: DataSet, wishes: Wishes, budget: str | None) -> None:
    """Refuse what has no room, and warn of what may not be worth its budget, before any work.

    Raises:
        BudgetRefused: the data set's total would be exceeded.
    """
    from safegen.pipeline.train.admission import few_records, require_admission
    from safegen.privacy.accounting.budget import Budget as Spending

    require_admission(records.card, records.grouping, wishes, Spending(budget))
    few = few_records(records.card, wishes.epsilon)
    if few is not None:
        warnings.simplefilter("ignore", FewRecordsWarning)  # it is said here, and once
        say(f"[yellow]{plain(few)}[/]")


def _require_undecided(context: typer.Context) -> None:
    """Somebody who resumes with another epsilon would believe that it holds.

    Raises:
        InputError: an option was given that the run has decided already.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name in DECIDED
        if str(context.get_parameter_source(name)).endswith("COMMANDLINE")
    ]
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
    if keys != "keys" or (folder / pki.LEAF).exists():  # the last file that is written
        return
    with storage.alone(Path()):
        if folder.exists():
            return
        pki.init(folder)
    say("[dim]No keys here yet: made a development chain in keys/ (trust keys/root.pem).[/]")
