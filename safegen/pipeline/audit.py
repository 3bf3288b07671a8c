"""How far a privacy claim can be believed: attacks beside the upper bound that they test.

Of a finished package: the bound that its own run's canaries proved; the engine that is installed
here, examined under the package's plan; and, with its records, how well members are told from
held-out records by the generator's pictures.

Of a data set: a run with canaries of both kinds, among the noisy gradients and among the records,
and the same attacks on the generator that it leaves. The run is thrown away; its grant is not.
"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.arguments import checked
from safegen.audit.attacks import (
    by_membership,
    draw_samples,
    in_run,
    infer_membership,
    membership_record,
    on_samples,
)
from safegen.audit.mechanism import measure_engine
from safegen.audit.pictures import canary_pictures, found_in_samples, inserted
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.config.workspace import Workspace
from safegen.data.dataset import DataSet
from safegen.errors import DataError, InputError
from safegen.modality.registry import modality_of
from safegen.package import files
from safegen.pipeline.generate.model import open_generator, require_signed
from safegen.pipeline.train.dry_run import examined_run, measure_training
from safegen.pipeline.train.miniature import miniature
from safegen.pipeline.train.networks import throwaway
from safegen.pipeline.train.train import train
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan, default_delta
from safegen.privacy.accounting.recompute import recomputed_epsilon
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.engine import Settings
from safegen.progress import Progress, silent
from safegen.provenance.keys.trust import read_anchors
from safegen.schemas.audit import Attack, AuditReport, Measured
from safegen.schemas.certificate import Gaussian, PoissonSubsampledGaussian
from safegen.training.presets.preset import purposes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.audit.canaries import Comparison
    from safegen.audit.membership import MembershipInference
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.config import PackageConfig

CANARY_PICTURES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """An audit with what its picture needs.

    Attributes:
        report: what was found.
        membership: scores behind it; None when no held-out records were given.
    """

    report: AuditReport
    membership: MembershipInference | None


@checked
def audit_package(
    folder: str | Path,
    *,
    trust: str | Path,
    time_trust: str | Path | None = None,
    members: DataSet | None = None,
    others: DataSet | None = None,
    budget: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Audit:
    """Audit a finished package.

    Args:
        folder: the package.
        trust: PEM certificates of who may have signed it.
        time_trust: PEM roots of time-stamp authorities to believe.
        members: the records that it was trained on; None to leave membership out.
        others: records of the same kind that it was not trained on.
        budget: where the data set's spending is kept, which can tell private records again.
        seed: of the samples that are attacked.
        progress: told how far the work is.

    Raises:
        DataError: the members are not the package's records.
        TamperedError: the package is not what was signed.
    """
    opened = files.read(Path(folder))
    times = None if time_trust is None else read_anchors(Path(time_trust))
    require_signed(opened, read_anchors(Path(trust)), times)
    certificate = opened.certificate
    inference = None
    if members is not None and others is not None:
        _require_members(certificate, members, Budget(budget))
        inference = infer_membership(
            open_generator(opened), members, others, certificate.delta, seed, progress
        )
    return _audit(
        certificate,
        opened.config,
        subject=f"{opened.config.name} {opened.digest}",
        attacks=in_run(certificate),
        inference=inference,
        cost="nothing: no record was trained on"
        + (
            ""
            if inference is None or certificate.data.public
            else ". Membership was computed from the records without noise, so keep it to yourself"
        ),
        progress=progress,
    )


@checked
def audit_run(
    data: DataSet,
    others: DataSet | None = None,
    *,
    privacy: PrivacyConfig | None = None,
    training: TrainingConfig | None = None,
    budget: str | Path | None = None,
    progress: Progress = silent,
) -> Audit:
    """Audit a training run that is made for it, with canaries of both kinds.

    Args:
        data: the records.
        others: records of the same kind that are not trained on; a fifth of `data` when None.
        privacy: what the run promises.
        training: what it trains; its seed is also of canary pictures and samples.
        budget: where the data set's spending is kept.
        progress: told how far the work is.

    Raises:
        BudgetRefused: the data set's budget does not allow it.
    """
    from safegen.provenance.keys import pki

    privacy, training = privacy or PrivacyConfig(), training or TrainingConfig()
    seed = training.seed
    if privacy.delta is None:  # of the data set, which has more units than what is left to train on
        privacy = dataclasses.replace(privacy, delta=default_delta(data.card.units))
    generator = np.random.default_rng(seed)
    members, others = (data, others) if others is not None else _split(data, generator)
    coins = np.random.default_rng()  # nobody may know them, the auditor's guesses neither
    canaries = canary_pictures(members, CANARY_PICTURES, coins)
    with tempfile.TemporaryDirectory() as place:
        pki.init(Path(place) / "keys")
        train(
            inserted(members, canaries),
            out=Path(place) / "model",
            privacy=privacy,
            training=training,
            workspace=Workspace(
                keys=Path(place) / "keys", ledger=Path(place) / "ledger.db", budget=budget
            ),
            progress=progress,
        )
        opened = files.read(Path(place) / "model")
    certificate, made = opened.certificate, open_generator(opened)
    samples, labels = draw_samples(made, seed, progress)
    black_box = found_in_samples(canaries, samples, labels, certificate.delta, coins)
    return _audit(
        certificate,
        opened.config,
        subject=f"a run on {data.card.name} that was made for the audit",
        attacks=(*in_run(certificate), on_samples(black_box)),
        inference=infer_membership(made, members, others, certificate.delta, seed, progress),
        cost=f"epsilon {certificate.epsilon:.4f} of {data.card.name}'s budget, like any run",
        progress=progress,
    )


def _audit(
    certificate: PrivacyCertificate,
    config: PackageConfig,
    *,
    subject: str,
    attacks: tuple[Attack, ...],
    inference: MembershipInference | None,
    cost: str,
    progress: Progress,
) -> Audit:
    """Put together what was found, and examine the engine."""
    progress("examining", 0, 1)
    mechanism = tuple(
        Measured(
            what=each.what,
            found=each.found,
            expected=each.expected,
            p_value=each.p_value,
            sound=each.sound,
        )
        for each in _examined(certificate, config)
    )
    progress("examining", 1, 1)
    if inference is not None:
        attacks = (*attacks, by_membership(inference))
    recomputed = recomputed_epsilon(certificate)
    below = all(attack.lower_bound <= recomputed for attack in attacks)
    report = AuditReport(
        subject=subject,
        epsilon=certificate.epsilon,
        recomputed=recomputed,
        delta=certificate.delta,
        unit=certificate.unit,
        attacks=attacks,
        membership=None if inference is None else membership_record(inference),
        mechanism=mechanism,
        sound=below and all(each.sound for each in mechanism),
        cost=cost,
        assumptions=_assumptions(inference is not None),
    )
    return Audit(report=report, membership=inference)


def _examined(certificate: PrivacyCertificate, config: PackageConfig) -> tuple[Comparison, ...]:
    """The engine's examination; what is in doubt is measured once more, and that stands."""
    first = _examined_once(certificate, config)
    if all(each.sound for each in first):
        return first
    again = _examined_once(certificate, config)
    return tuple(one if one.sound else two for one, two in zip(first, again, strict=True))


def _examined_once(
    certificate: PrivacyCertificate, config: PackageConfig
) -> tuple[Comparison, ...]:
    """Small probes, the package's own network with made-up rows, and its run in miniature."""
    plan, made = _plan_of(certificate, config), config.architecture
    training = throwaway(plan, made, config.recipe, Settings())
    small = miniature(plan, made, config.recipe, Execution(), training.device)
    return (
        *measure_engine(plan),
        *measure_training(training, plan, modality_of(made.shape).dimensions),
        *examined_run(small),
    )


def _assumptions(with_records: bool) -> tuple[str, ...]:
    always = (
        "a lower bound shows what these attacks can do; a stronger attack may prove more",
        "canaries took part by fair coins of the operating system",
        "the most convincing of four numbers of guesses is shown, and its confidence allows for it",
        "the engine examined is the one installed here, which is not proof of what ran elsewhere",
    )
    about_records = (
        "held-out records come from the same population as the members",
        "half of the held-out records set the scale and are not asked about",
        "the membership bound takes records of one model for independent trials",
    )
    return always + (about_records if with_records else ())


def _plan_of(certificate: PrivacyCertificate, config: PackageConfig) -> PrivacyPlan:
    """The plan behind a certificate, as far as the engine's examination needs it."""
    (steps,) = (e for e in certificate.events if isinstance(e, PoissonSubsampledGaussian))
    return PrivacyPlan(
        epsilon=certificate.target_epsilon,
        delta=certificate.delta,
        units=certificate.units,
        expected_batch_size=max(1, round(steps.sampling_probability * certificate.units)),
        steps=steps.count,
        clipping_norm=certificate.clipping_norm,
        noise_multiplier=steps.noise_multiplier,
        unit=certificate.unit,
        records_per_unit=certificate.records_per_unit,
        releases=_releases_of(certificate, config),
    )


def _releases_of(certificate: PrivacyCertificate, config: PackageConfig) -> tuple[DpRelease, ...]:
    """The releases behind a certificate's events, which say how many and not of what.

    What a package holds tells which releases it took, in the presets' order.

    Raises:
        DataError: there are more events, or fewer.
    """
    events = [each for each in certificate.events if isinstance(each, Gaussian)]
    purposes = purposes_of(config.architecture, config.recipe)
    if len(events) != len(purposes):
        raise DataError(
            f"the certificate counts {len(events)} kinds of releases, and the package was made of "
            f"{len(purposes)} ({', '.join(purposes) or 'none'}): the certificate is not its own, "
            "or another version's, which can audit it"
        )
    return tuple(
        DpRelease(purpose=purpose, noise_multiplier=event.noise_multiplier, count=event.count)
        for purpose, event in zip(purposes, events, strict=True)
    )


def _split(data: DataSet, generator: np.random.Generator) -> tuple[DataSet, DataSet]:
    """Four fifths to train on and one to hold out; the budget still counts the whole data set."""
    if data.groups is not None:
        raise InputError(
            "a data set with groups needs held-out records of other groups; name them with "
            "--held-out"
        )
    order = generator.permutation(len(data))
    fifth = len(data) // 5
    return _rows(data, np.sort(order[fifth:])), _rows(data, np.sort(order[:fifth]))


def _rows(data: DataSet, chosen: NDArray[np.int64]) -> DataSet:
    card = data.card.model_copy(update={"count": len(chosen), "units": len(chosen)})
    return dataclasses.replace(
        data, images=data.images[chosen], labels=data.labels[chosen], names=(), card=card
    )


def _require_members(certificate: PrivacyCertificate, members: DataSet, budget: Budget) -> None:
    """The records must be those of the certificate, or the attack would mean nothing.

    Raises:
        DataError: they are not, or nothing here can tell.
    """
    if not budget.knows_as(members.card, certificate.data.digest):
        raise DataError(
            f"{members.card.name} is not the data set that the package was trained on"
            + (
                ""
                if members.card.public
                else ", or its salt is in another budget ledger: name that one with --budget"
            )
        )
