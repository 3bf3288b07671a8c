"""The smallest change of the latents that makes a classifier call a sample something else.

Minimises half the squared distance that the latents go, which under the standard normal prior is
how unlikely the change is, while the classifier must prefer the other class (Wachter, Mittelstadt,
Russell 2018). The latents stay within the prior: none leaves `MAX_DEVIATIONS`. The label that the
generator is given stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from safegen.models.generator import Generator, LatentDraw

    Classifier = Callable[[Tensor], Tensor]

DESCENT_STEPS = 300
DESCENT_RATE = 0.05
MAX_DEVIATIONS = 3.5  # deviations of a latent: beyond, the prior has next to nothing
LOGIT_MARGIN = 0.1  # in logits, by which the other class is to win while it is sought
WAY_HALVINGS = 12  # of the way back, which finds the nearest point at which the call changes
RANDOM_TRIES = 512  # random changes at each distance, where there is no gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """One sample and the nearest that is called something else.

    Attributes:
        before: (*dimensions), float32 in [0, 1].
        after: likewise.
        noise: (latent,), float32, of the latter.
        change: (latent,), float32: how far each latent went.
        called: the class that the classifier called the sample.
        becomes: the class that it calls the other.
        remark: how it was sought, where the classifier has no gradient; otherwise empty.
    """

    before: Tensor
    after: Tensor
    noise: Tensor
    change: Tensor
    called: int
    becomes: int
    remark: str

    @property
    def distance(self) -> float:
        """How far the latents went, in deviations of the prior."""
        return float(self.change.norm())


def counterfactual(
    generator: Generator, draw: LatentDraw, classifier: Classifier, *, target: int
) -> Counterfactual:
    """Find the nearest sample that a classifier calls `target`.

    Args:
        generator: what made the sample.
        draw: what it was made of, one row.
        classifier: samples (n, *dimensions) to logits (n, classes).
        target: the class that it should be called.

    Raises:
        InputError: the classifier knows no such class, calls the sample so already, or is not
            persuaded by anything that is likely under the prior.
    """

    def logits_of(noise: Tensor) -> Tensor:
        rows = len(noise)
        return classifier(generator.render(noise, draw.places.expand(rows, -1), _of(draw, rows)))

    with torch.no_grad():
        first = logits_of(draw.noise)
    if not 0 <= target < first.shape[1]:
        raise InputError(f"the classifier knows classes 0 to {first.shape[1] - 1}, not {target}")
    called = int(first.argmax())
    if called == target:
        raise InputError(f"the classifier calls the sample {target} already")
    noise, remark = _by_gradient(logits_of, draw.noise, target), ""
    if noise is None and not _has_gradient(logits_of, draw.noise):
        noise = _by_trying(logits_of, draw.noise, target)
        remark = (
            "the classifier has no gradient: sought by random changes, so nearer ones may exist"
        )
    if noise is None:
        raise InputError(
            f"nothing that is likely under the prior is called {target}; ask for a nearer class"
        )
    noise = _nearest(logits_of, draw.noise, noise, target)
    with torch.no_grad():
        before, after = (
            generator.render(each, draw.places, draw.grain)[0] for each in (draw.noise, noise)
        )
    return Counterfactual(
        before=before, after=after, noise=noise[0], change=(noise - draw.noise)[0],
        called=called, becomes=target, remark=remark,
    )  # fmt: skip


def _by_gradient(logits_of: Classifier, start: Tensor, target: int) -> Tensor | None:
    """Descend until the target wins, by the least change so far; None where it never does."""
    noise = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([noise], lr=DESCENT_RATE)
    best: Tensor | None = None
    for _ in range(DESCENT_STEPS):
        try:
            logits = logits_of(noise)
            lead = _lead(logits, target)
            loss = (
                10 * functional.relu(LOGIT_MARGIN - lead).sum()
                + 0.5 * (noise - start).square().sum()
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        except RuntimeError:
            return None
        if float(lead.detach()) > 0 and (best is None or _far(noise, start) < _far(best, start)):
            best = noise.detach().clone()
        optimiser.step()
        with torch.no_grad():
            noise.clamp_(-MAX_DEVIATIONS, MAX_DEVIATIONS)
    return best


@torch.no_grad()
def _by_trying(logits_of: Classifier, start: Tensor, target: int) -> Tensor | None:
    """Random changes of growing length, the first length at which one succeeds."""
    source = torch.Generator().manual_seed(0)
    for length in torch.linspace(0.25, 2 * MAX_DEVIATIONS, 16):
        ways = functional.normalize(
            torch.randn(RANDOM_TRIES, start.shape[1], generator=source), dim=1
        )
        tried = (start + length * ways).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)
        won = _lead(logits_of(tried), target) > 0
        if bool(won.any()):
            found = tried[won]
            nearest: Tensor = found[(found - start).norm(dim=1).argmin()][None]
            return nearest
    return None


@torch.no_grad()
def _nearest(logits_of: Classifier, start: Tensor, end: Tensor, target: int) -> Tensor:
    """The first point on the way from start to end at which the call has changed, nearly."""
    low, high = 0.0, 1.0
    for _ in range(WAY_HALVINGS):
        middle = (low + high) / 2
        if bool(_lead(logits_of(torch.lerp(start, end, middle)), target) > 0):
            high = middle
        else:
            low = middle
    return torch.lerp(start, end, high)


def _has_gradient(logits_of: Classifier, start: Tensor) -> bool:
    noise = start.clone().requires_grad_()
    try:
        (slope,) = torch.autograd.grad(logits_of(noise).sum(), noise, allow_unused=True)
    except RuntimeError:
        return False
    return slope is not None and bool(slope.any())


def _lead(logits: Tensor, target: int) -> Tensor:
    """(n,): by how much the target's logit is above all others."""
    others = logits.clone()
    others[:, target] = -torch.inf
    return logits[:, target] - others.amax(dim=1)


def _far(noise: Tensor, start: Tensor) -> float:
    return float((noise.detach() - start).norm())


def _of(draw: LatentDraw, rows: int) -> Tensor:
    return draw.grain.expand(rows, *draw.grain.shape[1:])
