"""How good a package's generator is: utility, fidelity, and what stays near its records.

    1. Open the package, whose signer must be trusted, and the records.
    2. Utility: classifiers on synthetic pictures and on records, tested on the same records.
    3. Fidelity: synthetic pictures and training records in a feature space, beside the test.
    4. Neighbours: whether synthetic pictures are nearer to training records than to held-out ones.
    5. Samples for people to look at: released like any output, by the policy, signed and logged.
    6. Figures of public records go into the package's model card; others never do by themselves.

The pictures of steps 2 to 4 never leave. What the steps find tells of the records without noise,
outside every budget: of private records it is for their owner alone, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from safegen.arguments import checked
from safegen.config.evaluation import EvaluationConfig
from safegen.config.old_names import old_names
from safegen.config.workspace import Workspace
from safegen.errors import InputError, Refused
from safegen.evaluation.held_out import Source, gather, open_data
from safegen.evaluation.measure import EvaluationContext, measure
from safegen.evaluation.protocols import PROTOCOLS, default_augment
from safegen.package import files
from safegen.package.model_card import Metric, model_card
from safegen.pipeline.generate.model import load, open_generator, require_signed
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.execution.memory import memory_named
from safegen.progress import Progress, silent
from safegen.provenance.keys.trust import read_anchors
from safegen.schemas.evaluation import EvaluationReport, Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen.evaluation.held_out import EvaluationData
    from safegen.evaluation.measure import Measurements
    from safegen.evaluation.protocols import ClassifierProtocol
    from safegen.modality.base import Modality
    from safegen.pipeline.generate.model import Model
    from safegen.pipeline.generate.outputs import Output

MAX_SHOWN_SAMPLES = 100  # samples on a page
PURPOSE = "samples for the page of an evaluation"
PUBLISHABLE = "The records are public, so these figures may be published like any other."
PRIVATE = (
    "These figures were computed from private records without noise: they are for the records' "
    "owner, and publishing them is outside the privacy guarantee."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Outputs that the page shows.

    Attributes:
        columns: of each class, at most.
        seed: from which they can be made again.
        policy: what they must meet.
    """

    columns: int = 6
    seed: int = 0
    policy: str | Path | Sequence[str | Path] = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An evaluation with what its page shows.

    Attributes:
        report: what was found.
        classes: their names.
        shown: released samples, one of each class in turn; signed and logged.
        withheld: why there are none, in words; None when there are some.
        real: test records of public data, (n, *dimensions), as stored, likewise in turn; None of
            private data. A class without enough of them repeats its last.
        modality: what kind of data they are.
    """

    report: EvaluationReport
    classes: tuple[str, ...]
    shown: tuple[Output, ...]
    withheld: str | None
    real: NDArray[Any] | None
    modality: Modality


@old_names()
@checked
def evaluate(  # noqa: PLR0913 - the door; how it measures is described in its configuration
    folder: str | Path,
    data: Source,
    *,
    held_out: Source | None = None,
    evaluation: EvaluationConfig | None = None,
    data_root: str | Path | None = None,
    trust: str | Path = "keys/root.pem",
    time_trust: str | Path | None = None,
    workspace: Workspace | None = None,
    samples: Samples | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a package's generator against its records.

    Args:
        folder: the package.
        data: the records that it was trained on: a data set, or the name or path of one.
        held_out: records like them that it was not trained on; the test split by default.
        evaluation: how it is measured.
        data_root: where the public benchmarks lie.
        trust: PEM certificates of who may have signed the package.
        time_trust: PEM roots of time-stamp authorities to believe.
        workspace: whose keys sign samples, which ledger knows of them, and which budget can tell
            private records again.
        samples: to release for the page; None for none.
        progress: told how far the work is.

    Returns:
        The evaluation; `report` holds every figure.

    Raises:
        DataError: the records are missing, do not fit the package, or are too few.
        InputError: a count, a number of seeds, a classifier or a device that does not do.
        KeyMaterialError: samples cannot be signed with their keys.
        TamperedError: the package is not what was signed.
        TrainingError: the GPU's memory ends.
    """
    how, workspace = evaluation or EvaluationConfig(), workspace or Workspace()
    chosen, seed = PROTOCOLS[how.protocol].only(how.networks), how.seed
    repetitions = tuple(range(seed, seed + (how.seeds or chosen.seeds)))
    place = device_named(how.device, chosen)
    # 1. Open the package and the records.
    opened, root = files.read(Path(folder)), None if data_root is None else Path(data_root)
    times = None if time_trust is None else read_anchors(Path(time_trust))
    require_signed(opened, read_anchors(Path(trust)), times)
    given = open_data(data, opened.config, root)
    releasing = _releasing(opened, samples, workspace, trust, time_trust)
    same = Budget(workspace.budget).knows_as(given.card, opened.certificate.data.digest)
    if not same:  # said before minutes of work, in case it is a mistake
        progress("opening records that are not known to be those it was trained on", 1, 1)
    records = gather(
        given, data, held_out, opened.config, data_root=root, same_records=same, seed=seed
    )
    # 2 to 4. Measure.
    with memory_named("and measure again"):
        context = EvaluationContext(
            records=records,
            generator=open_generator(opened).to(place),
            classes=opened.config.data.classes,
            protocol=chosen,
            augment=how.augment or default_augment(given.card.name, how.protocol),
            seeds=repetitions,
            pictures=how.count or min(chosen.pictures, max(len(given), chosen.least_pictures)),
            noise=1 / max(opened.certificate.epsilon, 1e-3),
            device=place,
            progress=progress,
        )
        found = measure(context, comparable=same and not records.held_out.seen)
    report = _report(opened, context, found, same_records=same, decided=how.augment is not None)
    # 5. Release samples.
    shown, withheld = _released(releasing, samples, len(context.classes), progress)
    # 6. Tell the model card.
    if records.public and same:
        _tell_card(opened, report)
    columns = len(shown) // len(context.classes)
    return Evaluation(
        report=report,
        classes=context.classes,
        shown=shown,
        withheld=withheld,
        real=_in_turn(records, len(context.classes), columns or 6) if records.public else None,
        modality=context.generator.modality,
    )


def device_named(device: str, protocol: ClassifierProtocol) -> torch.device:
    """Where to measure; what takes days on a processor is not begun there unasked.

    Raises:
        InputError: there is no such device here, or the protocol is made for another.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError("no CUDA device is here; choose --device cpu, or auto")
    if device == "auto" and not there and protocol.slow_on_cpu:
        raise InputError(
            f"the {protocol.name} protocol is made for a GPU, and none is here: on two processor "
            f"cores it takes {protocol.slow_on_cpu}; take --protocol quick, or insist with "
            "--device cpu"
        )
    return torch.device("cuda" if there and device != "cpu" else "cpu")


def _report(
    opened: files.Package,
    context: EvaluationContext,
    found: Measurements,
    *,
    same_records: bool,
    decided: bool,
) -> EvaluationReport:
    records = context.records
    certificate = opened.certificate
    return EvaluationReport(
        model=opened.config.name,
        model_digest=opened.digest,
        epsilon=certificate.epsilon,
        delta=certificate.delta,
        unit=certificate.unit,
        data=records.data.card.name,
        data_digest=certificate.data.digest,
        public=records.public,
        same_records=same_records,
        held_out=records.held_out,
        method=_method(context, decided=decided),
        utility=found.utility,
        fidelity=found.fidelity,
        neighbours=found.neighbours,
        outside_guarantee=not records.public,
        publishing=PUBLISHABLE if records.public else PRIVATE,
        notes=_notes(context, found, same_records=same_records),
    )


def _method(context: EvaluationContext, *, decided: bool) -> Method:
    protocol, name = context.protocol, context.records.data.card.name
    kept = min(protocol.validation, len(context.records.training) // 12)
    return Method(
        protocol=protocol.name,
        networks=protocol.networks,
        training=protocol.in_words(on_gpu=context.device.type == "cuda"),
        chosen=f"the best on {kept:,} validation records, with noise" if kept else "the last epoch",
        augment=context.augment,
        augment_because="asked for" if decided else f"by the data set's name, {name}",
        labels=(
            "as often as the package's latent prior has each class, which was released privately"
            if len(set(context.generator.prior.weights.tolist())) > 1
            else "every class alike, for true class counts are private"
        ),
        seeds=context.seeds,
        device=context.device.type,
    )


def _notes(
    context: EvaluationContext, found: Measurements, *, same_records: bool
) -> tuple[str, ...]:
    notes = list(context.records.notes)
    name = context.records.data.card.name
    if not same_records:
        notes.append(
            f"{name} is not the data set that the package was trained on, or its salt is in "
            "another budget ledger (--budget): nothing can be said about copying."
        )
    elif found.neighbours is None and not context.records.held_out.seen:
        notes.append("There are too few records to say anything about copying.")
    if found.utility is None:
        notes.append("There is one class, so that classifiers have nothing to tell apart.")
    elif found.utility.synthetic.accuracy.mean <= found.utility.by_guessing:
        notes.append(
            "What classifiers learn from it is worse than guessing: naming the commonest class "
            f"always would reach {found.utility.by_guessing:.1%}."
        )
    return tuple(notes)


def _releasing(
    opened: files.Package,
    samples: Samples | None,
    workspace: Workspace,
    trust: str | Path,
    time_trust: str | Path | None,
) -> Model | None:
    """Who will release samples, opened before minutes of work; None when none are asked for."""
    if samples is None or samples.columns < 1:
        return None
    return load(
        opened.folder,
        workspace=workspace,
        policy=samples.policy,
        trust=trust,
        time_trust=time_trust,
    )


def _released(
    model: Model | None, samples: Samples | None, classes: int, progress: Progress
) -> tuple[tuple[Output, ...], str | None]:
    """Samples that went the way of every output, or why there are none."""
    if model is None or samples is None:
        return (), "none were asked for, or no keys to sign them with; name some with --keys"
    try:
        release = model.generate(
            classes * max(1, min(samples.columns, MAX_SHOWN_SAMPLES // classes)),
            purpose=PURPOSE,
            seed=samples.seed,
            explain="summary" if model.modality.mime.startswith("image/") else "full",
            progress=progress,
        )
    except Refused as refused:
        return (), f"the policy refused them ({str(refused).rstrip('.')})"
    return release.outputs, None


def _tell_card(opened: files.Package, report: EvaluationReport) -> None:
    """Write the figures into the package's model card, unless a person has changed it."""
    text = model_card(opened.config, opened.certificate, opened.content.digests, figures_of(report))
    files.write_card(opened.folder, text)


def figures_of(report: EvaluationReport) -> tuple[Metric, ...]:
    """What a model card tells of an evaluation."""
    fidelity, told = report.fidelity, []
    if report.utility is not None:
        protocol = f"{report.method.protocol} protocol"
        if (some := report.method.networks) != PROTOCOLS[report.method.protocol].networks:
            protocol += f", {' and '.join(some)} alone"
        told += [
            (f"accuracy, trained on synthetic records ({protocol})",
             report.utility.synthetic.accuracy.mean),
            (f"accuracy, trained on real records ({protocol})", report.utility.real.accuracy.mean),
        ]  # fmt: skip
    told += [
        ("Frechet distance", fidelity.frechet.value),
        ("Frechet distance of real records", fidelity.frechet.floor),
        ("precision", fidelity.precision.value),
        ("recall", fidelity.recall.value),
    ]
    split = report.held_out.what
    return tuple(
        Metric(name=name, dataset=report.data, split=split, value=value) for name, value in told
    )


def _in_turn(records: EvaluationData, classes: int, columns: int) -> NDArray[Any]:
    """The first test records of each class, one of each class in turn."""
    labels, chosen = records.test.labels, []
    for column in range(columns):
        for label in range(classes):
            places = np.flatnonzero(labels == label)
            chosen.append(places[min(column, len(places) - 1)] if len(places) else -1)
    pictures = records.test.pictures[chosen]
    pictures[np.array(chosen) < 0] = 0  # a class without test records
    return pictures
