"""Where the modules of 0.1 are now: an import of an old name says the new one; until 0.3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MOVED = {
    "audit.calibration": "evaluation.calibration",
    "audit.classifier": "evaluation.classifier",
    "audit.copies": "evaluation.memorization",
    "audit.fidelity": "evaluation.fidelity",
    "audit.protocols": "evaluation.protocols",
    "audit.recording": "evaluation.cuda_graph",
    "audit.small_pictures": "evaluation.classifiers",
    "audit.utility": "evaluation.utility",
    "explain.attribution": "explain.methods.integrated_gradients",
    "models.grain": "models.residual_noise",
    "models.judge": "models.label_filter",
    "pipeline.attacks": "audit.attacks",
    "pipeline.card": "package.model_card",
    "pipeline.claim_steps": "verification.steps.claims",
    "pipeline.codes": "verification.reason_codes",
    "pipeline.evidence": "verification.evidence",
    "pipeline.examine": "verification.one_file",
    "pipeline.files": "verification.discovery",
    "pipeline.findings": "verification.findings",
    "pipeline.held_out": "evaluation.held_out",
    "pipeline.history": "provenance.c2pa.history",
    "pipeline.limits": "verification.workers.limits",
    "pipeline.log": "provenance.log.export",
    "pipeline.made_from": "verification.ingredients",
    "pipeline.measure": "evaluation.measure",
    "pipeline.members": "privacy.accounting.budget",
    "pipeline.model": "pipeline.generate.model",
    "pipeline.networks": "pipeline.train.networks",
    "pipeline.publish": "pipeline.train.publish",
    "pipeline.rehearsal": "pipeline.train.dry_run",
    "pipeline.release": "pipeline.generate.outputs",
    "pipeline.request": "pipeline.generate.request",
    "pipeline.run": "pipeline.train.run",
    "pipeline.seal": "pipeline.generate.signing",
    "pipeline.signer_steps": "verification.steps.signer",
    "pipeline.starting": "pipeline.train.initialization",
    "pipeline.steps": "verification.steps.order",
    "pipeline.unread": "verification.unread",
    "pipeline.unsafe": "pipeline.generate.unsafe",
    "pipeline.verify": "verification.verify",
    "pipeline.wishes": "config.training",
    "pipeline.words": "verification.c2pa_messages",
    "pipeline.worker": "verification.workers.worker",
    "pipeline.workers": "verification.workers.pool",
    "privacy.bookkeeping": "privacy.clipping.bookkeeping",
    "privacy.budget": "privacy.accounting.budget",
    "privacy.canaries": "privacy.mechanism.canaries",
    "privacy.certify": "privacy.accounting.certify",
    "privacy.engine": "privacy.mechanism.engine",
    "privacy.lattice": "privacy.mechanism.lattice",
    "privacy.memory": "privacy.execution.memory",
    "privacy.noise": "privacy.mechanism.noise",
    "privacy.opacus_bridge": "privacy.mechanism.opacus_bridge",
    "privacy.plan": "privacy.accounting.plan",
    "privacy.processes": "privacy.execution.processes",
    "privacy.recompute": "privacy.accounting.recompute",
    "privacy.release": "privacy.mechanism.release",
    "privacy.rules": "privacy.clipping.layer_gradients",
    "privacy.sampling": "privacy.mechanism.sampling",
    "provenance.algorithms": "provenance.keys.algorithms",
    "provenance.c2pa_bridge": "provenance.c2pa.sdk",
    "provenance.chain": "provenance.keys.chain",
    "provenance.checkpoints": "provenance.log.checkpoints",
    "provenance.claims": "provenance.c2pa.claims",
    "provenance.c2pa.fingerprint": "modality.image_code",
    "provenance.fingerprint": "modality.image_code",
    "provenance.formats": "provenance.media.formats",
    "provenance.ingredients": "provenance.c2pa.manifest.ingredients",
    "provenance.inspection": "provenance.log.check",
    "provenance.keyfiles": "provenance.keys.pem",
    "provenance.ledger": "provenance.log.ledger",
    "provenance.log_tables": "provenance.log.tables",
    "provenance.log_view": "provenance.log.snapshot",
    "provenance.log_walk": "provenance.log.diagnosis",
    "provenance.manifest": "provenance.c2pa.manifest",
    "provenance.merkle": "provenance.log.merkle",
    "provenance.pki": "provenance.keys.pki",
    "provenance.profile": "provenance.keys.profile",
    "provenance.proofs": "provenance.log.proofs",
    "provenance.receipts": "provenance.log.receipts",
    "provenance.sidecar": "provenance.c2pa.sidecar",
    "provenance.signatures": "provenance.keys.detached",
    "provenance.signer": "provenance.keys.opener",
    "provenance.signers": "provenance.keys.custody",
    "provenance.stamping": "provenance.c2pa.timestamps",
    "provenance.trust": "provenance.keys.trust",
    "records": "schemas",
    "screens.contrast": "screens.ready.contrast",
    "training.adversarial": "training.objectives.gan",
    "training.balance": "training.objectives.balance",
    "training.elbo": "training.objectives.vae",
    "training.fitting": "training.releases.fitting",
    "training.judging": "training.releases.label_filter",
    "training.latents": "training.releases.latents",
    "training.objective": "training.objectives.objective",
    "training.playing": "training.objectives.gan_losses",
    "training.recipe": "training.presets.image",
    "training.priors": "training.pretraining_sources",
    "training.texture": "training.releases.residual_spectrum",
    "training.warmstart": "training.releases.warmstart",
}


class _Moved:
    """A finder that Python asks last, and so only for what is not there."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never a module.

        Raises:
            ModuleNotFoundError: it has moved; the error names its new home.
        """
        del path, target
        house, _, old = fullname.partition(".")
        if house == "safegen" and old in MOVED:
            # Without its name: `from room import module` passes over an error that has it.
            raise ModuleNotFoundError(f"{fullname} has moved; import safegen.{MOVED[old]} instead")
        return None


def say_where() -> None:
    """From now on, whoever imports an old name is told the new one."""
    if _Moved not in sys.meta_path:
        sys.meta_path.append(_Moved)
