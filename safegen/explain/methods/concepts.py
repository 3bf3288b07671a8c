"""Whether a classifier uses a concept that examples show: TCAV, by Captum (Kim et al. 2018).

A linear classifier tells the activations of examples from those of random samples; the normal of
its boundary is the concept's direction. The score is the share of inputs whose logit rises along
it; of a classifier that is linear in the layer it is the same for all inputs, all or none.
Random against random has a direction too: a concept counts only if its scores differ from theirs,
by a two-sided t-test over several random sets (section 3.4).
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from captum.concept import TCAV, Concept
from scipy.stats import ttest_ind
from torch import nn
from torch.utils.data import DataLoader

from safegen.errors import InputError
from safegen.models.edges import edge_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from safegen.models.label_filter import LabelFilter

MIN_EXAMPLES = 10  # examples of a concept, and random ones of a set
MIN_RANDOM_SETS = 3
MAX_RANDOM_PAIRS = 24  # of random sets against each other
SIGNIFICANCE_LEVEL = (
    0.05  # of the t-test; for many concepts, divide it by their number (Bonferroni)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptSensitivity:
    """How a classifier's logit depends on a concept.

    Attributes:
        concept: its name.
        target: the class.
        scores: with each random set: share of inputs whose logit rises along the concept.
        random_scores: of random sets against each other.
        p_value: that both have the same mean.
    """

    concept: str
    target: int
    scores: tuple[float, ...]
    random_scores: tuple[float, ...]
    p_value: float

    @property
    def score(self) -> float:
        """The mean of the scores, in [0, 1]."""
        return sum(self.scores) / len(self.scores)

    @property
    def is_significant(self) -> bool:
        """Whether the concept's scores differ from random ones'."""
        return self.p_value < SIGNIFICANCE_LEVEL


class JudgeNetwork(nn.Module):
    """A label filter as two layers, so that concepts can be sought between them."""

    layer = "features"

    def __init__(self, judge: LabelFilter) -> None:
        super().__init__()
        self.features = _Edges()
        self.head = nn.Linear(judge.weights.shape[1], judge.weights.shape[0])
        self.head.weight.data.copy_(judge.weights)
        self.head.bias.data.copy_(judge.biases)

    def forward(self, samples: Tensor) -> Tensor:
        """Logits (n, classes) of samples."""
        logits: Tensor = self.head(self.features(samples))
        return logits


class _Edges(nn.Module):
    def forward(self, samples: Tensor) -> Tensor:
        return edge_features(samples)


def concept_sensitivity(
    network: nn.Module,
    layer: str,
    inputs: Tensor,
    *,
    target: int,
    concept: tuple[str, Tensor],
    random_sets: Sequence[Tensor],
) -> ConceptSensitivity:
    """Test whether a class's logit depends on a concept.

    Args:
        network: samples (n, *dimensions) to logits (n, classes): a judge's (`JudgeNetwork`), a
            discriminator, or a classifier of one's own.
        layer: the name of one of its modules.
        inputs: (n, *dimensions), float32: samples whose logits are looked at.
        target: the class.
        concept: its name, and examples of it, (m, *dimensions).
        random_sets: samples of no concept, as many sets as there should be tests.

    Raises:
        InputError: too few examples or sets, or no such layer.
    """
    name, examples = concept
    if layer not in dict(network.named_modules()) or not layer:
        known = ", ".join(each for each, _ in network.named_modules() if each)
        raise InputError(f"the network has no layer {layer!r}; it has {known}")
    if len(examples) < MIN_EXAMPLES or any(len(each) < MIN_EXAMPLES for each in random_sets):
        raise InputError(
            f"a concept, and each random set, is shown by {MIN_EXAMPLES} samples or more"
        )
    if len(random_sets) < MIN_RANDOM_SETS:
        raise InputError(f"the test needs {MIN_RANDOM_SETS} random sets or more")
    shown = _concept(0, name, examples)
    random = [
        _concept(1 + place, f"random-{place}", each) for place, each in enumerate(random_sets)
    ]
    pairs = [[shown, each] for each in random]
    chance = [list(each) for each in itertools.combinations(random, 2)][:MAX_RANDOM_PAIRS]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how Captum calls scikit-learn and loads its own files
        with _seeded():
            method = TCAV(network, [layer], save_path=folder)
            told = method.interpret(inputs, [*pairs, *chance], target=target)
    scores = {key: round(float(value[layer]["sign_count"][0]), 6) for key, value in told.items()}
    own = tuple(scores[f"0-{each.id}"] for each in random)
    others = tuple(scores[f"{one.id}-{other.id}"] for one, other in chance)
    return ConceptSensitivity(
        concept=name, target=target, scores=own, random_scores=others,
        p_value=_p_value(own, others),
    )  # fmt: skip


@contextmanager
def _seeded() -> Iterator[None]:
    """The same answer every time: Captum's classifiers draw from torch's and numpy's own state."""
    before = np.random.get_state()  # noqa: NPY002 - scikit-learn's, whom Captum gives no seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - likewise
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002 - likewise


def _p_value(own: Sequence[float], others: Sequence[float]) -> float:
    """Of equal means; scores that do not vary at all are the same, or certainly are not."""
    if len({*own}) == len({*others}) == 1:
        return 1.0 if own[0] == others[0] else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where one side does not vary, which does no harm here
        return float(ttest_ind(own, others, equal_var=False).pvalue)


def _concept(number: int, name: str, samples: Tensor) -> Concept:
    batches: DataLoader[Tensor] = DataLoader(list(samples), batch_size=len(samples))  # type: ignore[arg-type]
    return Concept(id=number, name=name, data_iter=batches)
