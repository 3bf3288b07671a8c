"""A finished generator: what is packaged, sampled from and explained, whatever trained it.

A sample is made of a `LatentDraw`: noise, a place among the components of its class, and grain,
which is residual noise. The prior turns the first two into a code, the decoder makes a sample of
it, and the grain gives back the fine texture that a decoder trained with noise cannot learn. Where
there is a label filter, what it does not take for its label is drawn anew, a few times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from safegen.errors import PlanError
from safegen.modality.registry import modality_of
from safegen.models.registry import networks_of
from safegen.models.residual_noise import ALL_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from safegen.schemas.config import Architecture

BATCH_ROWS = 512  # rendered at once: memory does not grow with their number, and more are slower
Part = TypeVar("Part", bound=nn.Module)
MAX_REDRAWS = 12  # times at most that a sample is drawn again


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentDraw:
    """What samples are made of, one row each.

    Attributes:
        noise: (n, latent), float32, standard normal.
        places: (n, classes x components), float32: one 1 at a component of the sample's class.
        grain: (n, *dimensions), float32, a pattern around 0; all 0 without grain.
    """

    noise: Tensor
    places: Tensor
    grain: Tensor

    def __len__(self) -> int:
        return len(self.noise)

    def rows(self, rows: slice) -> LatentDraw:
        """Some of the samples alone."""
        return LatentDraw(noise=self.noise[rows], places=self.places[rows], grain=self.grain[rows])

    def with_noise(self, noise: Tensor) -> LatentDraw:
        """The same of other noise (n, latent)."""
        return LatentDraw(noise=noise, places=self.places, grain=self.grain)

    def parts(self) -> Iterator[LatentDraw]:
        """A few rows at a time."""
        for start in range(0, len(self), BATCH_ROWS):
            yield self.rows(slice(start, start + BATCH_ROWS))


class Generator(Protocol):
    """What sampling and explaining ask of a generator."""

    classes: int
    latent: int

    def draw(self, labels: Tensor, seed: int) -> LatentDraw:
        """Draw what samples of labels (n,), int64, are made of; the same for the same seed."""
        ...

    def render(self, noise: Tensor, places: Tensor, grain: Tensor) -> Tensor:
        """Turn a draw's parts into samples in [0, 1]; differentiable in all of them."""
        ...

    def mixed_places(self) -> Tensor:
        """The weights (classes x components,) of all classes in equal parts."""
        ...

    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """Draw one sample a label (n,), int64."""
        ...


class LatentPrior(nn.Module):
    """A mixture of Gaussians of latent codes for each class: z = mean + factor noise.

    Attributes:
        means: (classes x components, latent), float32.
        factors: (classes x components, latent, latent), float32.
        shares: (classes, components), float32: how often each component occurs in its class.
        weights: (classes,), float32: how often each class occurs, as was released; all alike
            where it was not.
    """

    def __init__(self, classes: int, latent: int, components: int, *, weighted: bool) -> None:
        super().__init__()
        self.weights: Tensor
        self.means: Tensor
        self.factors: Tensor
        self.shares: Tensor
        places = classes * components
        self.register_buffer("means", torch.zeros(places, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(places, 1, 1))
        self.register_buffer("weights", torch.full((classes,), 1 / classes), persistent=weighted)
        # One component needs no shares, and packages of such priors hold none.
        self.register_buffer(
            "shares", torch.full((classes, components), 1 / components), persistent=components > 1
        )

    def forward(self, noise: Tensor, places: Tensor) -> Tensor:
        """Codes (n, latent) from standard normal noise (n, latent) and places.

        Places may be mixed: weights that sum to 1 mix the components' means and factors.
        """
        factors = torch.einsum("nk,kij->nij", places, self.factors)
        return places @ self.means + torch.einsum("nij,nj->ni", factors, noise)


class LatentGenerator(nn.Module):
    """A latent prior, a decoder, grain, and a judge.

    Attributes:
        modality: the kind of data that it makes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.classes = architecture.classes
        self.latent = architecture.latent
        self.components = architecture.components
        networks = networks_of(architecture.shape.kind)
        self.modality = modality_of(architecture.shape)
        self.decoder = networks.decoder(architecture)
        self.prior = LatentPrior(
            self.classes, self.latent, self.components, weighted=architecture.weighted
        )
        self.grain = _asked(networks.grain, architecture, architecture.grain)
        self.judge = _asked(networks.judge, architecture, architecture.judged)
        self._contrast = architecture.contrast

    @torch.no_grad()
    def draw(self, labels: Tensor, seed: int) -> LatentDraw:
        """What samples of labels (n,), int64, are made of; the same for the same seed."""
        source = torch.Generator(device="cpu").manual_seed(seed)
        drawn = self._propose(labels, source)
        return drawn if self.judge is None else self._judged(drawn, labels, source)

    def propose(self, labels: Tensor, seed: int) -> LatentDraw:
        """As `draw`, before anything is judged."""
        return self._propose(labels, torch.Generator(device="cpu").manual_seed(seed))

    def _propose(
        self, labels: Tensor, source: torch.Generator, rows: Tensor | slice = ALL_ROWS
    ) -> LatentDraw:
        """Draw for every label, and keep some rows, (m,), int64, or a slice."""
        device = self.prior.means.device
        noise = torch.randn(len(labels), self.latent, generator=source)[rows]
        places = self._places(labels.cpu(), source)[rows]
        grain = torch.zeros(1).expand(len(noise), *self.modality.dimensions)
        if self.grain is not None:
            grain = self.grain.draw(len(labels), source, rows)
        return LatentDraw(noise=noise.to(device), places=places.to(device), grain=grain.to(device))

    def _judged(self, drawn: LatentDraw, labels: Tensor, source: torch.Generator) -> LatentDraw:
        """Draw anew what is not taken for its label; the last draw stays in any case.

        Each time every row is drawn, so that how one is judged changes no other one.
        """
        device = drawn.noise.device
        doubted, proposed = torch.arange(len(labels), device=device), drawn
        for attempt in range(MAX_REDRAWS + 1):
            doubted = doubted[self._mistaken(proposed, labels.to(device)[doubted])]
            if attempt == MAX_REDRAWS or not len(doubted):
                break
            proposed = self._propose(labels, source, doubted.cpu())
            drawn.noise[doubted], drawn.places[doubted] = proposed.noise, proposed.places
            if self.grain is not None:
                drawn.grain[doubted] = proposed.grain
        return drawn

    def _mistaken(self, proposed: LatentDraw, labels: Tensor) -> Tensor:
        """Which samples (n,), bool, the judge does not take for their labels (n,)."""
        assert self.judge is not None
        named = [self.judge(made).argmax(dim=1) for made in self.rendered(proposed)]
        return torch.cat(named) != labels

    def _places(self, labels: Tensor, source: torch.Generator) -> Tensor:
        chosen = torch.zeros_like(labels)
        if self.components > 1:
            shares = self.prior.shares.cpu()[labels]
            chosen = torch.multinomial(shares, 1, generator=source)[:, 0]
        return one_hot(labels * self.components + chosen, self.classes * self.components)

    def mixed_places(self) -> Tensor:
        """The weights (classes x components,) of all classes in equal parts."""
        return (self.prior.shares / self.classes).flatten()

    def render(self, noise: Tensor, places: Tensor, grain: Tensor) -> Tensor:
        """Samples (n, *dimensions), float32 in [0, 1], of a draw's parts.

        The label has two ways into a sample: it chooses where the code lies, and it enters the
        decoder beside the code.
        """
        onehot = places.view(len(places), self.classes, self.components).sum(dim=2)
        return self.finished(self.decoder(self.prior(noise, places), onehot), grain)

    def decoded(self, codes: Tensor, onehot: Tensor) -> Tensor:
        """Samples of codes (n, latent) and labels (n, classes), before any grain."""
        return self._contrasted(self.decoder(codes, onehot))

    def finished(self, logits: Tensor, grain: Tensor) -> Tensor:
        """Samples of a decoder's logits (n, *dimensions), value by value."""
        made = self._contrasted(logits)
        return made if self.grain is None else self.grain(made, grain)

    def _contrasted(self, logits: Tensor) -> Tensor:
        made = torch.sigmoid(logits)
        if self._contrast:
            made = ((made - self._contrast) / (1 - 2 * self._contrast)).clamp(0, 1)
        return made

    @torch.no_grad()
    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """One sample a label, (n, *dimensions), float32 in [0, 1]."""
        return torch.cat(list(self.rendered(self.draw(labels, seed))))

    def rendered(self, drawn: LatentDraw) -> Iterator[Tensor]:
        """Samples of a draw, a few at a time."""
        for part in drawn.parts():
            yield self.render(part.noise, part.places, part.grain)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (n,), int64, as (n, classes), float32."""
    return functional.one_hot(labels, classes).float()


def _asked(
    make: Callable[[Architecture], Part] | None, architecture: Architecture, asked: bool
) -> Part | None:
    """A part of the generator, where the architecture has it.

    Raises:
        PlanError: the kind of data has none.
    """
    if not asked:
        return None
    if make is None:
        raise PlanError(
            f"generators of {architecture.shape.kind} data have neither grain nor judge"
        )
    return make(architecture)
