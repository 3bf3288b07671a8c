"""Every tensor of a package has a source that the certificate accounts for, or it does not leave.

    decoder.*       parameters, which noisy steps moved, or a generator that learns from such steps
    prior.*         what the releases `latents` and `components` told of codes
    grain.*         the release `grain`
    judge.*         the release `judge`

A buffer whose release was not planned must be as a generator has it that never saw a record; and
one that is not in this table is not published, however it came to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from safegen.errors import TrainingError
from safegen.models.generator import LatentGenerator

if TYPE_CHECKING:
    from safegen.privacy.accounting.plan import PrivacyPlan, Purpose
    from safegen.schemas.config import Architecture

SOURCES: dict[str, Purpose] = {
    "prior.means": "latents",
    "prior.factors": "latents",
    "prior.shares": "latents",
    "prior.weights": "latents",
    "grain.spectrum": "grain",
    "judge.weights": "judge",
    "judge.biases": "judge",
}


def require_accounted(
    generator: LatentGenerator, architecture: Architecture, plan: PrivacyPlan
) -> None:
    """Refuse a generator with a tensor that neither the engine nor a release accounts for.

    Raises:
        TrainingError: it names the tensor; nothing is published.
    """
    untouched = LatentGenerator(architecture).state_dict()
    learnt = {name for name, _ in generator.named_parameters() if name.startswith("decoder.")}
    for name, tensor in generator.state_dict().items():
        if name not in untouched:
            raise _unaccounted(name, "no generator of this architecture has it")
        if name in learnt:
            continue
        purpose = SOURCES.get(name)
        if purpose is None:
            raise _unaccounted(name, "neither the engine nor a release makes it")
        if plan.release(purpose) is None and not torch.equal(tensor.cpu(), untouched[name]):
            raise _unaccounted(name, f"no release of {purpose} was planned, and yet it was changed")


def _unaccounted(name: str, why: str) -> TrainingError:
    return TrainingError(
        f"the package's tensor {name} is not accounted for: {why}; nothing is published, and what "
        "was spent stays spent"
    )
