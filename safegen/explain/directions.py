"""What latents mean, found without labels: directions of the code, and clusters within a class.

Two ways to directions. The decoder's first layer stretches some directions of the code more than
others: its right singular vectors (SeFa, Shen & Zhou 2021). And the activations of a later layer
vary most along their principal components, which a regression leads back to codes (GANSpace,
Harkonen et al. 2020). Neither knows what a direction means; a strip of samples along it shows that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from torch import nn

from safegen.errors import InputError
from safegen.models.generator import one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.models.generator import LatentGenerator

    Classifier = Callable[[Tensor], Tensor]

AT_ONCE = 256  # codes decoded together
DRAWN_CODES = 2000  # drawn to learn from
STRIP_DEVIATIONS = (-2.5, -1.25, 0.0, 1.25, 2.5)  # deviations of a code along a direction
MOST_CLUSTERS = 4
SHOWN_OF_CLUSTER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction of the code.

    Attributes:
        name: of the way it was found, and its number from 1.
        vector: (latent,), float32, of length 1.
        spread: deviation of codes along it.
        strip: (steps, *dimensions), float32: samples along it, at `STRIP_DEVIATIONS`.
        strength: mean change of a value between the strip's ends, in [0, 1].
        effect: what it does to a classifier, in words; empty without one.
        stability: of the same found with another seed: |cosine| of the nearest, in [0, 1].
    """

    name: str
    vector: NDArray[np.float32]
    spread: float
    strip: NDArray[np.float32]
    strength: float
    effect: str
    stability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Codes of a class that lie together.

    Attributes:
        name: class and number from 1.
        share: of its class, in [0, 1].
        strip: (steps, *dimensions), float32: samples nearest to its middle, the nearest first.
        stability: adjusted Rand index of the class's clusters with another seed; 1 is the same.
        separation: silhouette of the class's clusters, in [-1, 1]; near 0 there are none.
    """

    name: str
    share: float
    strip: NDArray[np.float32]
    stability: float
    separation: float


def directions(
    generator: LatentGenerator,
    *,
    count: int,
    label: int,
    classifier: Classifier | None = None,
    seed: int = 0,
) -> list[Direction]:
    """The strongest directions of both ways.

    Args:
        generator: whose code is looked into.
        count: of directions of each way.
        label: of the class that strips show.
        classifier: samples (n, *dimensions) to logits (n, classes); by default the judge, if any.
        seed: of the codes that are drawn.

    Raises:
        InputError: the decoder has no linear layer that takes codes.
    """
    codes, labels = _codes(generator, seed)
    other_codes, other_labels = _codes(generator, seed + 1)
    first = factorised(generator, count)
    later = components(generator, codes, labels, count)
    again = components(generator, other_codes, other_labels, count)
    judge = classifier or generator.judge
    found = []
    for way, vectors, others in (("sefa", first, first), ("pca", later, again)):
        for number, vector in enumerate(vectors, start=1):
            spread = float((codes @ vector).std())
            strip = along(generator, vector * spread, label)
            found.append(
                Direction(
                    name=f"{way}-{number}",
                    vector=vector.numpy(),
                    spread=spread,
                    strip=strip.numpy(),
                    strength=float((strip[-1] - strip[0]).abs().mean()),
                    effect="" if judge is None else _effect(judge, strip),
                    stability=float((others @ vector).abs().max()),
                )
            )
    return found


def factorised(generator: LatentGenerator, count: int) -> Tensor:
    """Directions (count, latent) that the decoder's first layer stretches most (SeFa).

    Of its weights alone: no seed changes them.

    Raises:
        InputError: its first layer is not linear in the code.
    """
    layer = _layers(generator)[0]
    if not isinstance(layer, nn.Linear) or layer.in_features < generator.latent:
        raise InputError("the decoder's first layer is not linear in the code; it has no SeFa")
    _, _, right = torch.linalg.svd(layer.weight[:, : generator.latent].detach())
    return _signed(right[:count])


def components(generator: LatentGenerator, codes: Tensor, labels: Tensor, count: int) -> Tensor:
    """Directions (count, latent) along which activations of a later layer vary most (GANSpace).

    Args:
        generator: whose decoder is looked into.
        codes: (n, latent), float32.
        labels: (n,), int64.
        count: how many.
    """
    layers = _layers(generator)
    seen: list[Tensor] = []
    hook = layers[min(1, len(layers) - 1)].register_forward_hook(
        lambda _module, _given, made: seen.append(made.detach().flatten(1))
    )
    try:
        with torch.no_grad():
            for part, own in zip(
                torch.split(codes, AT_ONCE), torch.split(labels, AT_ONCE), strict=True
            ):
                generator.decoder(part, one_hot(own, generator.classes))
    finally:
        hook.remove()
    activations = torch.cat(seen)
    activations = activations - activations.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the sketch; codes differ from seed to seed
        _, _, right = torch.pca_lowrank(activations, q=min(count + 4, *activations.shape))
    coordinates = activations @ right[:, :count]
    centred = codes - codes.mean(dim=0)
    # Regression of codes on coordinates, which are uncorrelated.
    vectors = coordinates.T @ centred / coordinates.square().sum(dim=0).clamp(min=1e-12)[:, None]
    return _signed(nn.functional.normalize(vectors, dim=1))


@torch.no_grad()
def along(generator: LatentGenerator, step: Tensor, label: int) -> Tensor:
    """Samples (steps, *dimensions) from the mean of a class along a direction.

    Args:
        generator: which makes them.
        step: (latent,), float32: one deviation.
        label: the class.
    """
    place = (
        generator.prior.shares[label][:, None]
        * generator.prior.means.view(generator.classes, generator.components, -1)[label]
    )
    codes = place.sum(dim=0) + torch.tensor(STRIP_DEVIATIONS)[:, None] * step
    labels = torch.full((len(STRIP_DEVIATIONS),), label)
    return generator.decoded(codes, one_hot(labels, generator.classes))


def clusters(generator: LatentGenerator, label: int, *, seed: int = 0) -> list[Cluster]:
    """Codes of a class in 2 to 4 clusters, as many as are separated best."""
    labels = torch.full((DRAWN_CODES // 4,), label)
    codes = _codes_of(generator, labels, seed)
    fitted = [
        KMeans(number, n_init=4, random_state=seed).fit(codes)
        for number in range(2, MOST_CLUSTERS + 1)
    ]
    scores = [float(silhouette_score(codes, each.labels_)) for each in fitted]
    best = fitted[int(np.argmax(scores))]
    number = len(best.cluster_centers_)
    again = KMeans(number, n_init=4, random_state=seed + 1).fit(
        _codes_of(generator, labels, seed + 1)
    )
    stability = float(adjusted_rand_score(best.labels_, again.predict(codes)))
    shares = np.bincount(best.labels_, minlength=number) / len(codes)
    found = []
    for place, each in enumerate(np.argsort(-shares), start=1):
        nearest = torch.from_numpy(np.argsort(best.transform(codes)[:, each])[:SHOWN_OF_CLUSTER])
        with torch.no_grad():
            strip = generator.decoded(
                codes[nearest], one_hot(labels[: len(nearest)], generator.classes)
            )
        found.append(
            Cluster(
                name=f"class-{label}-cluster-{place}",
                share=float(shares[each]),
                strip=strip.numpy(),
                stability=stability,
                separation=max(scores),
            )
        )
    return found


def _codes(generator: LatentGenerator, seed: int) -> tuple[Tensor, Tensor]:
    labels = torch.arange(DRAWN_CODES) % generator.classes
    return _codes_of(generator, labels, seed), labels


@torch.no_grad()
def _codes_of(generator: LatentGenerator, labels: Tensor, seed: int) -> Tensor:
    drawn = generator.propose(labels, seed)
    return torch.cat([generator.prior(part.noise, part.places) for part in drawn.parts()])


def _layers(generator: LatentGenerator) -> list[nn.Module]:
    found: list[nn.Module] = [
        each
        for each in generator.decoder.modules()
        if isinstance(each, nn.Linear | nn.Conv1d | nn.Conv2d)
    ]
    if not found:
        raise InputError("this decoder has no linear layer or convolution to look into")
    return found


def _signed(vectors: Tensor) -> Tensor:
    """The same lines, each in the direction of its largest coordinate."""
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * torch.sign(largest)


@torch.no_grad()
def _effect(judge: Classifier, strip: Tensor) -> str:
    """Which class's probability changes most from one end of a strip to the other."""
    chances = torch.softmax(judge(strip), dim=1)
    change = chances[-1] - chances[0]
    most = int(change.abs().argmax())
    return f"class {most}: {float(chances[0, most]):.0%} to {float(chances[-1, most]):.0%}"
