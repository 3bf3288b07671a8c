"""A package or an output against policies: what is met, missed, attested, or not to be told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from safegen.errors import InputError, TamperedError
from safegen.modality.registry import modality_of_file
from safegen.package import files
from safegen.pipeline.generate.measured import screen_facts
from safegen.pipeline.generate.model import require_signed
from safegen.pipeline.generate.told import certificate_facts, size_facts
from safegen.policy.deployment import load_deployment, moment
from safegen.policy.facts import (
    DataFacts,
    ExplanationFacts,
    ManifestFacts,
    MarkFacts,
    ModelFacts,
    OutputFacts,
    PlanFacts,
    RequestFacts,
    facts_at,
)
from safegen.policy.gap import rows_of
from safegen.policy.load import Sources, load_policies
from safegen.privacy.accounting.recompute import agrees
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import read as read_manifest
from safegen.provenance.keys.trust import read_anchors, trust_in
from safegen.provenance.media.formats import mime_of
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.explanation import ExplanationSummary, FirstExplanationSummary
from safegen.schemas.gap import GapReport
from safegen.schemas.label import VisibleLabel
from safegen.schemas.receipt import GenerationRequest
from safegen.screens.bound import measure_bound
from safegen.screens.screen import Batch
from safegen.storage import read
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from safegen.modality.base import Modality
    from safegen.policy.deployment import Deployment
    from safegen.policy.facts import Facts, Group, ScreenFacts
    from safegen.policy.policy import Policy
    from safegen.provenance.c2pa.manifest import Manifest

_SUMMARY: TypeAdapter[ExplanationSummary | FirstExplanationSummary] = TypeAdapter(
    ExplanationSummary | FirstExplanationSummary
)
UNCHECKED = "Nobody was asked whether to trust its signer (--trust)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is known of a package or an output.

    Attributes:
        standing: of whoever signed it, in words.
        groups: facts that hold at every stage at which something was asked of a model.
        plan: of its training; None of an output.
        output: facts of the release; empty of a package.
        failures: of screens that could not say anything.
    """

    standing: str
    groups: tuple[Group, ...]
    plan: PlanFacts | None = None
    output: tuple[Group, ...] = ()
    failures: dict[str, str] | None = None


def gap(
    path: str | Path,
    *,
    policy: Sources = "baseline",
    deployment: str | Path | None = None,
    trust: str | Path | None = None,
) -> GapReport:
    """Say which rules a package or an output meets, and what is to be done about the others.

    Args:
        path: a model package, or a file that was let out.
        policy: one or several, by name or file.
        deployment: where and for whom the system runs.
        trust: PEM roots of who may have signed it; without them, nobody vouches for what it says.

    Raises:
        DataError: reading it does harm, which was tried in a process of its own.
        InputError: it is neither.
        TamperedError: it is not what was signed, or none of the roots stands behind it.
        PolicyError: a policy or the deployment does not load.
    """
    path, loaded, where = Path(path), load_policies(policy), load_deployment(deployment)
    anchors = None if trust is None else read_anchors(Path(trust))
    is_package = path.is_dir()
    subject = _package(path, anchors) if is_package else _output(path, anchors, loaded)
    now = datetime.now(UTC)
    return GapReport(
        subject=str(path),
        kind="package" if is_package else "output",
        standing=subject.standing,
        policy=loaded.name,
        policy_digest=loaded.digest,
        deployment=where.digest,
        date=now.date().isoformat(),
        rows=rows_of(loaded, _told(subject, where, screen_facts(loaded, anchors), now)),
    )


def _told(
    subject: _Subject, where: Deployment, screens: tuple[ScreenFacts, ...], now: datetime
) -> tuple[Facts, ...]:
    always = (where.facts, moment(now))
    data = tuple(each for each in subject.groups if isinstance(each, DataFacts))
    plan: tuple[Group, ...] = () if subject.plan is None else (subject.plan, *data)
    told = (
        facts_at("train", *plan, *always),
        facts_at("request", *subject.groups, *screens, *always),
        facts_at(
            "release",
            *(*subject.groups, *subject.output, *screens, *always),
            failures=subject.failures,
        ),
    )
    return tuple(where.added_to(facts, now) for facts in told)


def _package(path: Path, anchors: bytes | None) -> _Subject:
    opened = files.read(path)
    if anchors is not None:
        require_signed(opened, anchors)
    certificate = opened.certificate
    return _Subject(
        standing="Signed by somebody whom you trust" if anchors else UNCHECKED,
        groups=(
            ModelFacts(
                digest=opened.digest,
                name=opened.config.name,
                family=opened.config.architecture.family,
            ),
            *_privacy(certificate),
        ),
        plan=PlanFacts(
            epsilon=certificate.target_epsilon,
            delta=certificate.delta,
            unit=certificate.unit,
            units=certificate.units,
        ),
    )


def _privacy(certificate: PrivacyCertificate) -> tuple[Group, ...]:
    card = certificate.data
    return (
        certificate_facts(certificate, recomputed=agrees(certificate)),
        DataFacts(name=card.name, licence=card.licence, source=card.source, public=card.public),
    )


def _output(path: Path, anchors: bytes | None, policy: Policy) -> _Subject:
    require_harmless(path)
    data = read(path)
    mime = mime_of(path.name, data)
    trust = None if anchors is None else trust_in(anchors)
    manifest = read_manifest(data, mime, trust=trust)
    if manifest.state == "Invalid":
        raise TamperedError(f"{path} is not what was signed; `safegen verify {path}` says why")
    if trust is not None and manifest.state != "Trusted":
        raise TamperedError(f"{path} was signed by {manifest.signer}, whom you do not trust")
    try:
        certificate, request = _stated(manifest)
    except (ValidationError, IndexError) as error:
        raise InputError(
            f"{path} does not say which model made it for what; only what safegen let out does"
        ) from error
    modality = modality_of_file(certificate.data.shape, mime)
    failures, output = _measured(data, modality, policy)
    standing = f"Signed by {manifest.signer}" if anchors else UNCHECKED
    return _Subject(
        standing=standing,
        groups=(
            RequestFacts(
                purpose=request.purpose,
                label=request.label,
                label_name=request.label_name,
                count=request.count,
            ),
            *_privacy(certificate),
        ),
        output=(output, *_marks(manifest)),
        failures=failures,
    )


def _stated(manifest: Manifest) -> tuple[PrivacyCertificate, GenerationRequest]:
    return (
        PrivacyCertificate.model_validate(manifest.said(claims.PRIVACY)[0]),
        GenerationRequest.model_validate(manifest.said(claims.REQUEST)[0]),
    )


def _measured(
    data: bytes, modality: Modality, policy: Policy
) -> tuple[dict[str, str], OutputFacts]:
    """What the policy's screens say of what the file stores; and its size."""
    batch = Batch(samples=np.asarray(modality.decode(data))[None], requests=(), modality=modality)
    (seen,) = measure_bound(policy.asked, batch)
    return dict(seen.failures), dataclasses.replace(size_facts(modality), screens=seen.scores)


def _marks(manifest: Manifest) -> tuple[Group, ...]:
    actions = list(_actions(manifest))
    types = [str(each.get("digitalSourceType") or "") for each in actions]
    return (
        _explained(manifest),
        _marked(manifest),
        ManifestFacts(
            signed=True,
            source_type=next(filter(None, types), ""),
            time_stamped=manifest.time_stamp is not None,
            created=any(each.get("action") == "c2pa.created" for each in actions),
        ),
    )


def _marked(manifest: Manifest) -> MarkFacts:
    fingerprint = bool(manifest.said("c2pa.soft-binding"))
    for said in manifest.said(claims.LABEL):
        label = VisibleLabel.model_validate(said)
        return MarkFacts(
            fingerprint=fingerprint,
            label=True,
            label_text=label.text,
            label_share=label.share,
            label_contrast=label.contrast,
        )
    return MarkFacts(fingerprint=fingerprint)


def _explained(manifest: Manifest) -> ExplanationFacts:
    summaries = manifest.said(claims.EXPLANATION)
    if not summaries:
        return ExplanationFacts(made=False)
    summary = _SUMMARY.validate_python(summaries[0])
    if isinstance(summary, FirstExplanationSummary):
        gap_alone = {"completeness_gap": summary.completeness_gap}
        return ExplanationFacts(made=True, faithfulness=gap_alone)
    return ExplanationFacts(
        made=True, explainer=summary.explainer, faithfulness=summary.faithfulness
    )


def _actions(manifest: Manifest) -> Iterator[Mapping[str, object]]:
    for said in manifest.said("c2pa.actions.v2"):
        actions = said.get("actions")
        for each in actions if isinstance(actions, list) else ():
            if isinstance(each, dict):
                yield each
