"""A trained autoencoder to a generator: releases of what it makes of the records.

    1. Encode every record; release where each class lies among the codes (`latents`).
    2. Encode and decode every record; release the spectrum of what is missed (`texture`).
    3. Release a judge of what labels look like (`judging`).

Where codes are expected is learnt from public pictures: the prior's, or those of the warm start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.models.generator import PictureGenerator, one_hot
from safegen.privacy.execution import Execution
from safegen.training.judging import fit_judge
from safegen.training.latents import Mixture, fit_mixture
from safegen.training.texture import band_energies, fit_spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.models.judge import Judge
    from safegen.models.vae import ConditionalVAE
    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.config import Architecture
    from safegen.training.objective import Records

EXACTLY = Execution()  # what is released is computed in 32 bits or more, on a GPU, too
ROWS = 2048  # encoded at once, of pictures of 28 x 28 grey pixels; fewer of larger ones
RADIUS = 1.5  # over sqrt(latent), the norm of a code of N(0, I), where no public pictures are
WITHIN = 0.9  # of public codes lie within the radius,
BEYOND = 1.2  # which is then made longer by this
SPREAD = 1.2  # of codes: few Gaussians miss the corners that a class reaches into
FEW, LONG = 10, 32  # components of a class up to which, and dimensions from which, they are wider
LEAST = 0.1  # over sqrt(latent), of the radius: where public pictures are all one


@dataclass(frozen=True, slots=True, kw_only=True)
class Ball:
    """Where codes are expected; public.

    Attributes:
        centre: (latent,), float64.
        radius: codes farther from the centre are clipped to it.
    """

    centre: NDArray[np.float64]
    radius: float


@torch.no_grad()
def fit_generator(
    network: ConditionalVAE,
    architecture: Architecture,
    records: Records,
    plan: PrivacyPlan,
    *,
    reference: Tensor | None,
    key: int,
) -> PictureGenerator:
    """Keep the decoder, and give it the latent prior, grain and judge that the plan releases.

    Args:
        network: trained; on the device of the records.
        architecture: of the generator.
        records: all of them.
        plan: what was granted; each of its releases `latents`, `components`, `grain` and `judge` is
            made.
        reference: public pictures (n, channels, height, width), uint8, that look somewhat like
            the records; None for none.
        key: of the releases' noise; the same key makes the same releases again.
    """
    generator = PictureGenerator(architecture).to(records.labels.device)
    generator.decoder.load_state_dict(network.decoder.state_dict())
    with EXACTLY.products(records.labels.device):
        ball = _ball(network, architecture, reference)
        codes = np.concatenate(list(_codes(network, records, architecture.classes)))
        mixture = fit_mixture(
            codes - ball.centre,
            records.labels.cpu().numpy(),
            classes=architecture.classes,
            components=architecture.components,
            radius=ball.radius,
            plan=plan,
            groups=records.groups,
            key=key,
        )
        if mixture is not None:
            _place(generator, mixture, ball.centre)
        _add_grain(network, generator, records, plan, key)
        if generator.judge is not None and reference is not None:
            _add_judge(
                generator.judge,
                fit_judge(records, architecture.classes, plan, reference=reference, key=key),
            )
    return generator


def _add_grain(
    network: ConditionalVAE,
    generator: PictureGenerator,
    records: Records,
    plan: PrivacyPlan,
    key: int,
) -> None:
    """Release how rough the records are, where the plan does."""
    release = plan.release("grain")
    if release is None or generator.grain is None:
        return
    spectrum = fit_spectrum(
        np.concatenate(list(_misses(network, generator, records))),
        (records.pictures.shape[1], records.pictures.shape[2], records.pictures.shape[3]),
        noise_multiplier=release.noise_multiplier,
        groups=records.groups,
        key=key,
    )
    generator.grain.spectrum.copy_(torch.from_numpy(spectrum))


def _add_judge(judge: Judge, found: tuple[NDArray[np.float64], NDArray[np.float64]] | None) -> None:
    """Give a judge what was found, where the plan released it."""
    if found is not None:
        judge.weights.copy_(torch.from_numpy(found[0]))
        judge.biases.copy_(torch.from_numpy(found[1]))


def _ball(network: ConditionalVAE, architecture: Architecture, reference: Tensor | None) -> Ball:
    """The centre and reach of public pictures' codes."""
    latent = architecture.latent
    if reference is None:
        return Ball(centre=np.zeros(latent), radius=RADIUS * math.sqrt(latent))
    device = next(network.parameters()).device
    parts = []
    rows = _rows(reference)
    for start in range(0, len(reference), rows):
        pictures = reference[start : start + rows]
        nobody = torch.zeros(len(pictures), architecture.classes, device=device)
        parts.append(network.encode(pictures.to(device).float() / 255, nobody)[0])
    codes = torch.cat(parts).double().cpu().numpy()
    centre = codes.mean(axis=0)
    reach = np.quantile(np.linalg.norm(codes - centre, axis=1), WITHIN)
    return Ball(centre=centre, radius=max(float(reach) * BEYOND, LEAST * math.sqrt(latent)))


def _rows(pictures: Tensor) -> int:
    return max(1, min(ROWS, ROWS * 28 * 28 // pictures[0].numel()))


def _batches(records: Records) -> Iterator[tuple[Tensor, Tensor]]:
    """All records in order, a chunk at a time."""
    count, rows = len(records.labels), _rows(records.pictures)
    for start in range(0, count, rows):
        yield records.rows(np.arange(start, min(start + rows, count)))


def _codes(
    network: ConditionalVAE, records: Records, classes: int
) -> Iterator[NDArray[np.float64]]:
    """The records' codes, a chunk at a time, (rows, latent)."""
    for pictures, labels in _batches(records):
        yield network.encode(pictures, one_hot(labels, classes))[0].double().cpu().numpy()


def _misses(
    network: ConditionalVAE, generator: PictureGenerator, records: Records
) -> Iterator[NDArray[np.float64]]:
    """What decoding each record misses, as band energies, a chunk at a time."""
    for pictures, labels in _batches(records):
        onehot = one_hot(labels, generator.classes)
        decoded = generator.decoded(network.encode(pictures, onehot)[0], onehot)
        yield band_energies(pictures, decoded).double().cpu().numpy()


def _place(generator: PictureGenerator, mixture: Mixture, centre: NDArray[np.float64]) -> None:
    """Put a mixture, around a centre, into a generator's prior."""
    prior = generator.prior
    prior.means.copy_(torch.from_numpy(mixture.means + centre).view_as(prior.means))
    _, components, latent = mixture.means.shape
    spread = SPREAD if components <= FEW and latent >= LONG else 1.0
    prior.factors.copy_(torch.from_numpy(mixture.factors * spread).view_as(prior.factors))
    prior.shares.copy_(torch.from_numpy(mixture.shares))
    prior.weights.copy_(torch.from_numpy(mixture.weights))
