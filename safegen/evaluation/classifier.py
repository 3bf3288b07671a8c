"""Train a classifier by a protocol, and ask it."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from safegen.evaluation.cuda_graph import Recording
from safegen.evaluation.protocols import build
from safegen.schemas.card import PictureShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from safegen.evaluation.protocols import ClassifierProtocol
    from safegen.schemas.evaluation import Augment

BATCH_PICTURES = 2_000  # pictures asked about at a time
MAX_ROTATION_RADIANS, MAX_SCALE_CHANGE, MAX_SHEAR = math.radians(10), 0.1, 0.1
MAX_SHIFT_SHARE = 2 / 28  # of the side


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Pictures with labels.

    Attributes:
        pictures: (n, channels, height, width), uint8.
        labels: (n,), int64.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, chosen: NDArray[np.int64] | slice) -> Labelled:
        """Some of them."""
        return Labelled(pictures=self.pictures[chosen], labels=self.labels[chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """By what an epoch is chosen.

    Attributes:
        records: to name.
        noise: scale of the Laplace noise on how many are named rightly.
    """

    records: Labelled
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A trained network, with how it wants its inputs.

    Attributes:
        network: (n, channels, height, width), float32, to logits (n, classes).
        centred: whether in [-1, 1] instead of [0, 1].
        device: where it is.
    """

    network: nn.Module
    centred: bool
    device: torch.device

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, classes), float64, of pictures (n, channels, height, width), uint8."""
        return self._each(pictures, lambda inputs: functional.softmax(self.network(inputs), 1))

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, features), float64, of pictures; only of a network that has some."""
        made: Callable[[Tensor], Tensor] = self.network.features  # type: ignore[assignment]
        return self._each(pictures, made)

    @torch.no_grad()
    def _each(
        self, pictures: NDArray[np.uint8], ask: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float64]:
        self.network.eval()
        parts = [
            ask(_inputs(part.to(self.device), centred=self.centred)).double().cpu()
            for part in torch.split(_tensor(pictures), BATCH_PICTURES)
        ]
        return torch.cat(parts).numpy()


def fit(  # noqa: PLR0913 - what, how, from which seed, where
    data: Labelled,
    classes: int,
    network: str,
    protocol: ClassifierProtocol,
    *,
    augment: Augment,
    seed: int,
    device: torch.device,
    validation: Validation | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train one classifier; the caller's own randomness is left as it was.

    Args:
        data: to train on.
        classes: how many there are.
        network: its name in the protocol.
        protocol: how.
        augment: what is done to the training pictures.
        seed: of first weights, of the order, of dropout and of augmentation.
        device: where.
        validation: by which the epoch is chosen; None takes the last.
        told: steps done, and of how many.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        shape = PictureShape(
            **dict(zip(("channels", "height", "width"), data.pictures.shape[1:], strict=True))
        )
        made = build(network, shape, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _Fitting(data, made, protocol, augment, seed, device).run(
            validation, told or _nobody
        )


class _Fitting:
    """One classifier while it is trained."""

    def __init__(
        self,
        data: Labelled,
        network: nn.Module,
        protocol: ClassifierProtocol,
        augment: Augment,
        seed: int,
        device: torch.device,
    ) -> None:
        self.pictures = _tensor(data.pictures).to(device)
        self.labels = torch.from_numpy(data.labels).to(device)
        self.network, self.protocol, self.augment, self.device = network, protocol, augment, device
        self.order = torch.Generator().manual_seed(seed)
        self.noise = np.random.default_rng(seed)
        self.each = protocol.steps_each(len(data))
        self.epochs = protocol.epochs_for(len(data))
        self.optimizer, self.schedule = protocol.optimizer(network, self.epochs, self.each)
        self.average = None if protocol.average_decay is None else copy.deepcopy(network)
        self.recording: Recording | None = None  # of a step's passes, on a GPU

    def run(self, validation: Validation | None, told: Callable[[int, int], None]) -> Classifier:
        best, chosen = -math.inf, None
        total = self.epochs * self.each
        for epoch in range(self.epochs):
            self._epoch(epoch, lambda done: told(done, total))
            if validation is not None:
                score = self._score(validation)
                if score >= best:
                    best, chosen = score, copy.deepcopy(self._tested())
        return chosen or self._tested()

    def _epoch(self, epoch: int, told: Callable[[int], None]) -> None:
        self.network.train()
        batch = self.protocol.batch
        order = torch.randperm(len(self.labels), generator=self.order)
        for step in range(self.each):
            self._step(order[step * batch : (step + 1) * batch].to(self.device))
            if self.average is not None:
                self._move_average(epoch * self.each + step)
            told(epoch * self.each + step + 1)

    def _step(self, rows: Tensor) -> None:
        inputs = _inputs(self.pictures[rows], centred=self.protocol.centred)
        if self.augment == "affine":
            inputs = affine(inputs, self.order)
        self._passes(inputs, self.labels[rows])
        self.optimizer.step()
        self.schedule.step()

    def _passes(self, inputs: Tensor, labels: Tensor) -> None:
        """Forward and back: gradients of the mean cross-entropy."""
        if self.device.type == "cuda":
            if self.recording is None:  # every step has as many rows
                half = self.protocol.half_on_gpu
                self.recording = Recording(self.network, inputs, labels, half=half)
            self.recording.play(inputs, labels)
        else:
            loss = functional.cross_entropy(self.network(inputs), labels)
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)

    def _move_average(self, step: int) -> None:
        """Shorter at first, so that first weights are forgotten."""
        assert self.average is not None
        assert self.protocol.average_decay is not None
        decay = min(self.protocol.average_decay, (2 + step) / (11 + step))
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            move(list(self.average.parameters()), list(self.network.parameters()), 1)

    def _tested(self) -> Classifier:
        """The network that would be tested now."""
        network = self.network
        if self.average is not None:  # statistics of normalisation are not averaged
            for kept, new in zip(self.average.buffers(), network.buffers(), strict=True):
                kept.copy_(new)
            network = self.average
        return Classifier(network=network, centred=self.protocol.centred, device=self.device)

    def _score(self, validation: Validation) -> float:
        """How many are named rightly, with noise (report noisy max)."""
        named = self._tested().probabilities(validation.records.pictures).argmax(1)
        right = int((named == validation.records.labels).sum())
        return right + float(self.noise.laplace(scale=validation.noise))


def _nobody(done: int, total: int) -> None:
    """Tell no one."""


def affine(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, shear and move each picture a little, at random.

    Args:
        pictures: (n, channels, height, width), float32; what comes in from outside is 0.
        generator: draws; uniform to 10 degrees, 10 % of scale and of shear, and 2 pixels of 28.
    """
    count = len(pictures)

    def drawn(most: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator) - 1) * most

    turn, scale, shear = drawn(MAX_ROTATION_RADIANS), 1 + drawn(MAX_SCALE_CHANGE), drawn(MAX_SHEAR)
    # The side is 2 in the grid's coordinates.
    across, down = drawn(2 * MAX_SHIFT_SHARE), drawn(2 * MAX_SHIFT_SHARE)
    cosine, sine = turn.cos(), turn.sin()
    rows = (
        torch.stack([cosine * scale, (shear - sine) * scale, across], 1),
        torch.stack([sine * scale, cosine * scale, down], 1),
    )
    matrices = torch.stack(rows, 1).to(pictures.device)
    grid = functional.affine_grid(matrices, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False)


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """The same memory, but for a copy of what torch would not take: read-only or strided."""
    return torch.from_numpy(np.require(pictures, requirements=["C", "W"]))


def _inputs(pictures: Tensor, *, centred: bool) -> Tensor:
    """uint8 to float32 in [0, 1], or in [-1, 1]."""
    inputs = pictures.float().div_(255).contiguous(memory_format=torch.channels_last)
    return inputs.mul_(2).sub_(1) if centred else inputs
