"""A finished run to a package: certify, pack, sign, write, log; each once, however often begun."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from safegen.package import files
from safegen.package.model_card import model_card
from safegen.pipeline.train.initialization import assumptions
from safegen.pipeline.train.soundness import bound_of, require_sound
from safegen.pipeline.train.tensor_sources import require_accounted
from safegen.privacy.accounting.certify import certify
from safegen.privacy.mechanism.lattice import ARITHMETIC_ALLOWANCE
from safegen.provenance.c2pa.claims import model_claim
from safegen.schemas.certificate import Noise, PrivacyCertificate
from safegen.schemas.config import PackageConfig

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.privacy.mechanism.canaries import Canaries
    from safegen.provenance.c2pa.timestamps import Stamping
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.card import DataCard
    from safegen.training.checkpoint import RunFacts
    from safegen.training.loop import Trained


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
    ) -> PrivacyCertificate:
        """Certify what ran, pack it, sign it, write it and log it; `card` is the published one.

        Returns:
            The certificate.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        config, certificate, content = content_of(trained, facts, card, canaries, now)
        claim = model_claim(
            name=config.name,
            certificate=certificate,
            digests=content.digests,
            mime=files.WEIGHTS_MIME,
        )
        manifest, _ = self.stamping.sign_beside(content.weights, claim, self.signer)
        files.write_card(self.folder, model_card(config, certificate, content.digests))
        files.write(self.folder, content, manifest)
        self.log.append([files.log_entry(content, now)], signer=self.signer)
        return certificate

    def complete(self) -> None:
        """Log a package that was written whole by a run that died before it could log it."""
        opened = files.read(self.folder)
        entry = files.log_entry(opened.content, opened.config.created)
        if self.log.find(entry.file_digest) is None:
            self.log.append([entry], signer=self.signer)


def content_of(
    trained: Trained, facts: RunFacts, card: DataCard, canaries: Canaries | None, now: str
) -> tuple[PackageConfig, PrivacyCertificate, files.Unsigned]:
    """What a package says and holds, before it is signed.

    Raises:
        TrainingError: what ran cannot be certified.
    """
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
    require_accounted(trained.generator, facts.architecture, facts.plan)
    content = files.pack(trained.generator.state_dict(), config, certificate)
    return config, certificate, content


def _certificate(
    trained: Trained, facts: RunFacts, card: DataCard, canaries: Canaries | None
) -> PrivacyCertificate:
    require_sound(trained, facts.plan, canaries)
    bound = None if canaries is None else bound_of(trained, facts.plan, canaries)
    return certify(
        facts.plan,
        trained.events,
        card,
        steps_run=trained.steps_run,
        noise=Noise(
            source="operating system" if facts.unsafe_seeded_noise is None else "unsafe seed",
            lattice_spacing=trained.spacing,
            sensitivity_margin=trained.margin,
            arithmetic_allowance=ARITHMETIC_ALLOWANCE,
        ),
        lower_bound=bound,
        assumptions=assumptions(facts.recipe),
    )
