"""A finished run to a package: certify, pack, sign, write, log; each once, however often begun."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from safegen import package
from safegen.audit.canaries import CONFIDENCE, compare, lower_bound, participation
from safegen.errors import TrainingError
from safegen.pipeline.card import model_card
from safegen.pipeline.starting import assumptions
from safegen.privacy.accounting import epsilon_of
from safegen.privacy.certify import certify
from safegen.privacy.lattice import ALLOWANCE
from safegen.provenance.claims import model_claim
from safegen.records.certificate import LowerBound, Noise, PrivacyCertificate
from safegen.records.config import PackageConfig

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.privacy.canaries import Canaries
    from safegen.provenance.ledger import Ledger
    from safegen.provenance.signer import Signer
    from safegen.provenance.stamping import Stamping
    from safegen.records.card import DataCard
    from safegen.training.checkpoint import RunFacts
    from safegen.training.loop import Trained


ONE_IN_A_MILLION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Where packages go, who signs and stamps them, and where that is logged."""

    folder: Path
    signer: Signer
    stamping: Stamping
    log: Ledger

    def __post_init__(self) -> None:
        """Find out before any work whether the log may be signed so."""
        self.log.require(self.signer)

    def publish(
        self, trained: Trained, facts: RunFacts, card: DataCard, canaries: Canaries | None
    ) -> None:
        """Certify what ran, pack it, sign it, write it and log it; `card` is the published one."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        certificate = _certificate(trained, facts, card, canaries)
        config = PackageConfig(
            name=f"{card.name}-{facts.architecture.family}",
            safegen=version("safegen"),
            created=now,
            architecture=facts.architecture,
            recipe=facts.recipe,
            seed=facts.seed,
            data=card,
        )
        content = package.pack(trained.generator.state_dict(), config, certificate)
        claim = model_claim(
            name=config.name,
            certificate=certificate,
            digests=content.digests,
            mime=package.WEIGHTS_MIME,
        )
        manifest, _ = self.stamping.sign_beside(content.weights, claim, self.signer)
        package.write_card(self.folder, model_card(config, certificate, content.digests))
        package.write(self.folder, content, manifest)
        self.log.append([package.log_entry(content, now)], signer=self.signer)

    def complete(self) -> None:
        """Log a package that was written whole by a run that died before it could log it."""
        opened = package.read(self.folder)
        entry = package.log_entry(opened.content, opened.config.created)
        if self.log.find(entry.file_digest) is None:
            self.log.append([entry], signer=self.signer)


def _bound(trained: Trained, facts: RunFacts, canaries: Canaries) -> LowerBound:
    """What the canaries prove; a claim that they refute beyond doubt is not certified.

    One sound run in twenty may be refuted with 95% confidence, so that a bound above the claim is
    asked again with far more confidence before the run is given up.

    Raises:
        TrainingError: the claim is refuted all the same.
    """
    claim = epsilon_of(trained.events, facts.plan.delta)
    for confidence in (CONFIDENCE, 1 - ONE_IN_A_MILLION):
        bound = lower_bound(
            canaries.scores, canaries.included, facts.plan.delta, confidence=confidence
        )
        if bound.epsilon <= claim:
            return bound
    raise TrainingError(
        f"an attack on the run proved epsilon at least {bound.epsilon:.2f}, more than its events "
        f"give; no certificate is issued, and what was spent stays spent"
    )


def _require_sound(trained: Trained, facts: RunFacts, canaries: Canaries) -> None:
    """The run's own canaries must have heard the noise and the sampling that it claims.

    Raises:
        TrainingError: they heard something else, which a sound run does once in a million.
    """
    if canaries.heard > trained.steps_run:
        raise TrainingError(
            f"{canaries.heard} steps ran and {trained.steps_run} were counted; no certificate is "
            "issued, and what was spent stays spent"
        )
    if not canaries.heard:
        return
    found = compare(
        canaries.scores,
        canaries.included,
        steps=canaries.heard,
        sampling_probability=facts.plan.sampling_probability,
        deviation=facts.plan.noise_multiplier * (1 + trained.margin),
    )
    taken = participation(trained.units_drawn, trained.units_asked, facts.plan.sampling_probability)
    for each in (*found, taken):
        if each.p_value < ONE_IN_A_MILLION:
            raise TrainingError(
                f"the run was not the plan's, as its canaries and draws show: {each.what} is "
                f"{each.found:.4g} and should be {each.expected:.4g}; no certificate is issued, "
                "and what was spent stays spent"
            )


def _certificate(
    trained: Trained, facts: RunFacts, card: DataCard, canaries: Canaries | None
) -> PrivacyCertificate:
    bound = None
    if canaries is not None:
        _require_sound(trained, facts, canaries)
        bound = _bound(trained, facts, canaries)
    return certify(
        facts.plan,
        trained.events,
        card,
        steps_run=trained.steps_run,
        noise=Noise(
            source="operating system" if facts.unsafe_seeded_noise is None else "unsafe seed",
            lattice_spacing=trained.spacing,
            sensitivity_margin=trained.margin,
            arithmetic_allowance=ALLOWANCE,
        ),
        lower_bound=bound,
        assumptions=assumptions(facts.recipe),
    )
