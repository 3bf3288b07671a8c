"""How a generator is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from safegen.arguments import require_types
from safegen.errors import InputError
from safegen.option import Spelled
from safegen.privacy.execution.settings import Device
from safegen.schemas.choices import Augment, ProtocolName

LEAST_PICTURES = 20  # synthetic ones; fewer tell nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How a generator is measured.

    Attributes:
        protocol: `quick` takes minutes on a laptop; `dpimagebench` is for a GPU.
        networks: of `dpimagebench`: `resnet`, `wrn`, `resnext`; all by default.
        augment: of the classifiers' training pictures; `affine` for mnist and digits by default,
            else `none`.
        count: synthetic pictures to train on; the protocol's by default.
        seeds: repetitions; 3 by default, or 1 with `dpimagebench`.
        seed: the first of them.
        device: where classifiers train; `auto` takes a GPU where there is one.

    >>> EvaluationConfig(count=3)
    Traceback (most recent call last):
    safegen.errors.InputError: count is 3: so few pictures tell nothing; make 20 or more
    """

    protocol: Annotated[ProtocolName, Spelled(value="NAME")] = "quick"
    networks: Annotated[Sequence[str] | None, Spelled("--network", value="NAME")] = None
    augment: Augment | None = None
    count: int | None = None
    seeds: int | None = None
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        require_types(self)
        if self.count is not None and self.count < LEAST_PICTURES:
            raise InputError(
                f"count is {self.count}: so few pictures tell nothing; make {LEAST_PICTURES} or "
                "more"
            )
        if self.seeds is not None and self.seeds < 1:
            raise InputError(f"seeds is {self.seeds}; an evaluation needs one or more")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; choose 0 or more")
