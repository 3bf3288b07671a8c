"""How many private steps a GAN's discriminator takes for each step of its generator.

Noise slows the discriminator down, and a generator that learns from one which cannot tell its
pictures from records learns nothing. So private steps become more whenever the discriminator
falls behind (Bie et al. 2023, section 4), and fewer again once it is far ahead. What tells it is
its accuracy on generated pictures alone: a function of public pictures and of noisy weights, which
costs no privacy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

STEP_FACTORS = (1, 2, 5, 10, 20, 50, 100)  # times the first number of steps
MAX_ACCURACY = 0.95  # of generated pictures told, from which fewer steps will do


class Balance:
    """Whose turn it is.

    Attributes:
        rung: of the ladder; the higher, the more private steps.
    """

    def __init__(self, first: int, least_accuracy: float) -> None:
        """Start on the lowest rung.

        Args:
            first: private steps for each of the generator's, at first and at least.
            least_accuracy: on generated pictures, below which private steps become more; 0 to
                keep them as they are.
        """
        self._first = first
        self._least = least_accuracy
        self._waited = 0
        self.rung = 0

    @property
    def steps(self) -> int:
        """Private steps for the generator's next one."""
        return self._first * STEP_FACTORS[self.rung]

    def generator_is_due(self) -> bool:
        """Count a private step; whether the generator's turn follows it."""
        self._waited += 1
        if self._waited < self.steps:
            return False
        self._waited = 0
        return True

    def can_teach(self, accuracy: float) -> bool:
        """Take in how many generated pictures, of 1, were told for what they are.

        Returns:
            Whether that is enough for the generator to take its step.
        """
        if accuracy < self._least:
            self.rung = min(self.rung + 1, len(STEP_FACTORS) - 1)
            return False
        if self._least and accuracy > MAX_ACCURACY:
            self.rung = max(self.rung - 1, 0)
        return True

    def state(self) -> dict[str, Tensor]:
        """Where it stands, for a checkpoint."""
        return {"rung": torch.tensor(self.rung), "waited": torch.tensor(self._waited)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.rung, self._waited = int(state["rung"]), int(state["waited"])
