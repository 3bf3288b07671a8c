"""What one family of generators brings to the private loop, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from safegen.models.generator import LatentGenerator
    from safegen.privacy.mechanism.engine import PrivateEngine
    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords

    Drawn = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where networks start from, and what they may look at without asking the records.

    Attributes:
        weights: of a `ConditionalVAE` of the run's architecture.
        reference: (n, channels, height, width), uint8: public samples, or pictures drawn from
            what was released; None for none.
    """

    weights: Mapping[str, Tensor]
    reference: Tensor | None = None


class SecretDraws(Protocol):
    """Where an objective draws what nobody may know, such as latent noise."""

    def standard_normal(self, size: tuple[int, ...], *, dtype: type[np.float32]) -> Drawn:
        """Normal numbers in a shape whose first dimension is rows."""
        ...


class AlikeRows:
    """Draws whose rows are all the same, for rehearsals: one row more changes no other one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def standard_normal(self, size: tuple[int, ...], *, dtype: type[np.float32]) -> Drawn:
        """Normal numbers in a shape whose first dimension is rows."""
        row = np.random.default_rng(self._seed).standard_normal(size[1:], dtype=dtype)
        return np.repeat(row[None], size[0], axis=0)


class Objective(Protocol):
    """What one family of generators brings to the loop.

    Attributes:
        private: the only network that sees records.
        averaged: the network whose weights are averaged.
        rows_beside: rows of public content in every private step, over all processes.
        rows_per_record: how often each record is in a private step, beside itself.
    """

    @property
    def private(self) -> nn.Module: ...  # noqa: D102 - above
    @property
    def averaged(self) -> nn.Module: ...  # noqa: D102 - above
    @property
    def rows_beside(self) -> int: ...  # noqa: D102 - above
    @property
    def rows_per_record(self) -> int: ...  # noqa: D102 - above

    def batch(self, samples: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """A step's tensors, row by row: the records' rows, then public ones beside them."""
        ...

    def losses(self, network: nn.Module, *parts: Tensor) -> Tensor:
        """Each row's loss, (rows,), from slices of a batch."""
        ...

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """Do what needs no records, after each private step."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the private network, its optimizer and the average."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what a checkpoint held."""
        ...

    def fix_secret_draws(self, seed: int) -> None:
        """Draw what is secret from a seed (`AlikeRows`): for rehearsals, on made-up pictures.

        Then two batches differ by their records and by nothing else.
        """
        ...

    def fix_public_draws(self, seed: int) -> None:
        """Draw what is no secret from a seed from now on."""
        ...

    def prepare(self, records: PrivateRecords, releases: Releases) -> None:
        """Make the releases that come before the first step; nothing where there are none."""
        ...

    def finish(
        self, average: nn.Module, records: PrivateRecords, releases: Releases
    ) -> LatentGenerator:
        """Make the generator, with any release that this takes.

        Args:
            average: the averaged network.
            records: all of them.
            releases: makes what is planned.
        """
        ...
