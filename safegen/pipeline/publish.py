"""A finished run to a package: certify, pack, sign, write, log; each once, however often begun."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from safegen import package
from safegen.audit.canaries import compare, lower_bound
from safegen.errors import TrainingError
from safegen.privacy.certify import certify
from safegen.privacy.lattice import ALLOWANCE
from safegen.provenance.claims import model_claim
from safegen.provenance.manifest import sign_beside
from safegen.records.certificate import Noise, PrivacyCertificate
from safegen.records.config import PackageConfig

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.privacy.canaries import Canaries
    from safegen.provenance.ledger import Ledger
    from safegen.provenance.signer import FileSigner
    from safegen.records.card import DataCard
    from safegen.training.checkpoint import RunFacts
    from safegen.training.loop import Trained


ONE_IN_A_MILLION = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Where packages go, who signs them, and where that is logged."""

    folder: Path
    signer: FileSigner
    log: Ledger

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
        package.write(self.folder, content, sign_beside(content.weights, claim, self.signer))
        self.log.append([package.log_entry(content, now)])

    def complete(self) -> None:
        """Log a package that was written whole by a run that died before it could log it."""
        opened = package.read(self.folder)
        entry = package.log_entry(opened.content, opened.config.created)
        if self.log.find(entry.file_digest) is None:
            self.log.append([entry])


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
    for each in found:
        if each.p_value < ONE_IN_A_MILLION:
            raise TrainingError(
                f"the run's canaries heard another mechanism than the plan's: {each.what} is "
                f"{each.found:.4g} and should be {each.expected:.4g}; no certificate is issued, "
                "and what was spent stays spent"
            )


def _certificate(
    trained: Trained, facts: RunFacts, card: DataCard, canaries: Canaries | None
) -> PrivacyCertificate:
    bound = None
    if canaries is not None:
        _require_sound(trained, facts, canaries)
        bound = lower_bound(canaries.scores, canaries.included, facts.plan.delta)
    return certify(
        facts.plan,
        trained.events,
        card,
        steps_run=trained.steps_run,
        noise=Noise(
            source="unsafe seed" if facts.unsafe_seeded_noise else "operating system",
            lattice_spacing=trained.spacing,
            sensitivity_margin=trained.margin,
            arithmetic_allowance=ALLOWANCE,
        ),
        lower_bound=bound,
    )
