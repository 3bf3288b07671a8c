"""A trained autoencoder to a generator: releases of what it makes of the records.

    1. Encode every record; release where each class lies among the codes (`latents`).
    2. Encode and decode every record; release the spectrum of what is missed (`texture`).
    3. Release a filter that knows what labels look like (`judging`).

Where codes are expected is learnt from public pictures: the prior's, or those of the warm start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.models.generator import LatentGenerator, one_hot
from safegen.privacy.execution.settings import Execution
from safegen.training.releases.label_filter import fit_label_filter
from safegen.training.releases.latents import Mixture, fit_mixture
from safegen.training.releases.residual_spectrum import band_energies, fit_spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.models.label_filter import LabelFilter
    from safegen.models.vae import ConditionalVAE
    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords, PrivateVectors
    from safegen.schemas.config import Architecture

SINGLE_PRECISION = Execution()  # what is released is computed in 32 bits or more, on a GPU, too
BATCH_ROWS = 2048  # encoded at once, of pictures of 28 x 28 grey pixels; fewer of larger ones
# Over sqrt(latent), the norm of a code of N(0, I), where no public pictures are.
DEFAULT_RADIUS = 1.5
COVERED_SHARE = 0.9  # of public codes lie within the radius,
RADIUS_MARGIN = 1.2  # which is then made longer by this
COMPONENT_SCALE = 1.2  # of codes: few Gaussians miss the corners that a class reaches into
# Components of a class up to which, and dimensions from which, they are wider.
FEW_COMPONENTS, LONG_LATENT = 10, 32
MIN_RADIUS = 0.1  # over sqrt(latent), of the radius: where public pictures are all one


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
    records: PrivateRecords,
    releases: Releases,
    *,
    reference: Tensor | None,
) -> LatentGenerator:
    """Keep the decoder, and give it the latent prior, grain and judge that are planned.

    Args:
        network: trained; on the device of the records.
        architecture: of the generator.
        records: all of them.
        releases: makes `latents`, `components`, `grain` and `judge`, those that are planned.
        reference: public samples (n, *dimensions), as they are stored, that look somewhat like
            the records; None for none.
    """
    generator = LatentGenerator(architecture).to(records.device)
    generator.decoder.load_state_dict(network.decoder.state_dict())
    with SINGLE_PRECISION.products(records.device):
        ball = _ball(network, architecture, reference)
        mixture = fit_mixture(
            _codes(network, records, ball.centre, architecture.classes),
            releases,
            classes=architecture.classes,
            components=architecture.components,
            radius=ball.radius,
        )
        if mixture is not None:
            _place(generator, mixture, ball.centre)
        _add_grain(network, generator, records, releases)
        if generator.judge is not None and reference is not None:
            _set_label_filter(
                generator.judge,
                fit_label_filter(records, architecture.classes, releases, reference=reference),
            )
    return generator


def _add_grain(
    network: ConditionalVAE,
    generator: LatentGenerator,
    records: PrivateRecords,
    releases: Releases,
) -> None:
    """Release how rough the records are, where that is planned."""
    if not releases.planned("grain") or generator.grain is None:
        return
    spectrum = fit_spectrum(_misses(network, generator, records), records.shape, releases)
    generator.grain.spectrum.copy_(torch.from_numpy(spectrum))


def _set_label_filter(
    judge: LabelFilter, found: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> None:
    """Give a judge what was found, where the plan released it."""
    if found is not None:
        judge.weights.copy_(torch.from_numpy(found[0]))
        judge.biases.copy_(torch.from_numpy(found[1]))


def _ball(network: ConditionalVAE, architecture: Architecture, reference: Tensor | None) -> Ball:
    """The centre and reach of public pictures' codes."""
    latent = architecture.latent
    if reference is None:
        return Ball(centre=np.zeros(latent), radius=DEFAULT_RADIUS * math.sqrt(latent))
    device = next(network.parameters()).device
    parts = []
    rows = _rows(tuple(reference.shape[1:]))
    for start in range(0, len(reference), rows):
        shown = network.modality.to_float(reference[start : start + rows].to(device)).float()
        nobody = torch.zeros(len(shown), architecture.classes, device=device)
        parts.append(network.encode(shown, nobody)[0])
    codes = torch.cat(parts).double().cpu().numpy()
    centre = codes.mean(axis=0)
    reach = np.quantile(np.linalg.norm(codes - centre, axis=1), COVERED_SHARE)
    return Ball(
        centre=centre, radius=max(float(reach) * RADIUS_MARGIN, MIN_RADIUS * math.sqrt(latent))
    )


def _rows(shape: tuple[int, ...]) -> int:
    return max(1, min(BATCH_ROWS, BATCH_ROWS * 28 * 28 // math.prod(shape)))


def _codes(
    network: ConditionalVAE, records: PrivateRecords, centre: NDArray[np.float64], classes: int
) -> PrivateVectors:
    """The records' codes around a centre, (records, latent), float64."""

    def encoded(samples: Tensor, labels: Tensor) -> NDArray[np.float64]:
        codes = network.encode(samples, one_hot(labels, classes))[0]
        return codes.double().cpu().numpy() - centre

    return records.derived(encoded, rows=_rows(records.shape))


def _misses(
    network: ConditionalVAE, generator: LatentGenerator, records: PrivateRecords
) -> PrivateVectors:
    """What decoding each record misses, as band energies."""

    def missed(samples: Tensor, labels: Tensor) -> NDArray[np.float64]:
        onehot = one_hot(labels, generator.classes)
        decoded = generator.decoded(network.encode(samples, onehot)[0], onehot)
        return band_energies(samples, decoded).double().cpu().numpy()

    return records.derived(missed, rows=_rows(records.shape))


def _place(generator: LatentGenerator, mixture: Mixture, centre: NDArray[np.float64]) -> None:
    """Put a mixture, around a centre, into a generator's prior."""
    prior = generator.prior
    prior.means.copy_(torch.from_numpy(mixture.means + centre).view_as(prior.means))
    _, components, latent = mixture.means.shape
    spread = COMPONENT_SCALE if components <= FEW_COMPONENTS and latent >= LONG_LATENT else 1.0
    prior.factors.copy_(torch.from_numpy(mixture.factors * spread).view_as(prior.factors))
    prior.shares.copy_(torch.from_numpy(mixture.shares))
    prior.weights.copy_(torch.from_numpy(mixture.weights))
