"""Presets of pictures: network, recipe and plan settings from what is public about a data set.

They depend on the number of records and classes, the pictures' shape, the family, epsilon, and on
the name of a data set that everybody knows; never on the records. They were chosen on MNIST,
Fashion-MNIST and scikit-learn's digits, all public (docs/benchmarks.md says how).

What decides most is how well a class's moments can be told through the noise of their release:
with how many records of a class, times epsilon (`_clarity`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from safegen.modality.registry import modality_of
from safegen.privacy.accounting.plan import Share
from safegen.schemas.choices import Drawn
from safegen.schemas.config import Architecture, Family, Recipe
from safegen.training.presets.preset import Preset
from safegen.training.presets.registry import Presets

if TYPE_CHECKING:
    from safegen.schemas.card import DataCard
    from safegen.schemas.config import WarmStart

REFERENCE_NUMBERS = 28 * 28  # in a picture of MNIST
REFERENCE_COUNT, REFERENCE_BATCH = 1800, 256
PRIOR_OF = {"mnist": "strokes", "digits": "strokes", "fashion-mnist": "silhouettes"}
GENERIC = "leaves"  # for whatever nothing is known of
CONTRAST = {"strokes": 0.2}  # stretches what a decoder blurs; ink is either there or not
MANY = 20_000  # records, from which large batches and fine texture pay
CLEAR = 40_000  # records of a class times epsilon, from which many components pay
FAIR, DIM = 4_000, 800  # likewise, for a long latent code, and for a middling one
JUDGE, JUDGE_ROUNDS = 0.25, 30  # of the budget, and in how many rounds
TOO_FEW = 2_500  # likewise, below which classes may not be told apart (docs/benchmarks.md)
GENEROUS = 4.0  # epsilon, from which more steps pay


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is public about a run, before anything is chosen."""

    card: DataCard
    epsilon: float
    prior: str | None
    warm_start: Literal["moments"] | None

    @property
    def clarity(self) -> float:
        """Records of a class times epsilon."""
        return self.card.units / len(self.card.classes) * self.epsilon

    @property
    def many(self) -> bool:
        return self.card.units >= MANY


def enough(card: DataCard) -> float:
    """Records of a class times epsilon that tell classes apart, where no prior is known to fit."""
    several = len(card.classes) > 1 and card.name not in PRIOR_OF
    return TOO_FEW if several else 0.0


def choose(
    family: Family,
    card: DataCard,
    epsilon: float,
    *,
    prior: str = "auto",
    warm_start: WarmStart = "auto",
) -> Preset:
    """The preset of pictures, as `safegen.training.presets.registry.preset` describes it."""
    named = PRIOR_OF.get(card.name, GENERIC) if prior == "auto" else prior
    case = _Case(
        card=card,
        epsilon=epsilon,
        prior=None if named == "none" else named,
        warm_start="moments" if warm_start == "moments" else None,
    )
    return _vae(case) if family == "vae" else _gan(case)


def _vae(case: _Case) -> Preset:
    return Preset(
        architecture=_architecture("vae", case),
        recipe=Recipe(
            learning_rate=1e-3 if case.prior else 3e-3,
            generator_rate=None,
            betas=(0.9, 0.999),
            loss_scale=20 * _relative_size(case.card),
            beta=_beta(case),
            average_decay=0.98,
            generator_rows=0,
            discriminator_steps=1,
            prior=case.prior,
            prior_pictures=100_000 if case.many else 40_000,
            prior_epochs=8 if case.many else 5,
            warm_start=case.warm_start,
        ),
        expected_batch_size=_batch(case),
        steps=_steps(case),
        clipping_norm=1.0,
        shares=_shares(case, 0.3 if case.epsilon >= GENEROUS else 0.5),
    )


def _gan(case: _Case) -> Preset:
    """From a warm start few steps at a small rate refine; they are never to undo what it knows.

    As many generated pictures as records: with fewer, a discriminator gains by calling everything
    a record, and the generator waits for ever.
    """
    warm = case.prior is not None or case.warm_start is not None
    generous = case.epsilon >= GENEROUS
    small = 1e-4 if generous else 5e-5
    batch = min(1024, _batch(case))
    return Preset(
        architecture=_architecture("gan", case),
        recipe=Recipe(
            learning_rate=1e-3,
            generator_rate=small if warm else 5e-4,
            betas=(0.5, 0.99),
            loss_scale=1.0,
            beta=0.5 if case.prior == "strokes" else 0.4,
            average_decay=0.98,
            generator_rows=batch,
            discriminator_steps=1,
            least_accuracy=0.6,
            prior=case.prior,
            prior_pictures=100_000 if case.many else 40_000,
            prior_epochs=8 if case.many else 5,
            warm_start=case.warm_start,
        ),
        expected_batch_size=batch,
        steps=500 if not warm else 100 if generous else 60,
        clipping_norm=1.0,
        shares=_shares(case, 0.5 if generous else 0.6) if warm else (),
    )


def _architecture(family: Family, case: _Case) -> Architecture:
    latent, components = _latent(case)
    warm = case.prior is not None or case.warm_start is not None
    return Architecture(
        family=family,
        shape=case.card.shape,
        classes=len(case.card.classes),
        latent=latent,
        base=_base(family, case, warm=warm),
        components=components if warm or family == "vae" else 1,
        conditional=not warm,
        contrast=CONTRAST.get(case.prior or "", 0.0),
        grain=_grain(case),
        judged=_judged(case),
        weighted=warm or family == "vae",
    )


def _latent(case: _Case) -> tuple[int, int]:
    """Dimensions of a code, and components of a class."""
    if case.clarity >= CLEAR:
        return (32, 30) if case.prior == "strokes" else (64, 10)
    if case.clarity >= FAIR:
        return (32, 1) if case.prior == "strokes" else (48, 1)
    return (16, 1) if case.clarity >= DIM else (8, 1)


def _beta(case: _Case) -> float:
    """Weight of the divergence: less of it where the latent prior is told clearly."""
    if case.prior == "strokes":
        return 0.3 if case.clarity >= CLEAR else 0.5
    return 0.2 if case.clarity >= CLEAR else 0.4


def _base(family: Family, case: _Case, *, warm: bool) -> int:
    """Channels of the narrowest layer: as many as drawn pictures can teach."""
    if family == "vae" and case.prior == "strokes" and case.clarity >= CLEAR:
        return 24
    return 16 if warm or family == "gan" else 8


def _grain(case: _Case) -> bool:
    return case.many and case.prior not in {"strokes", None}


def _judged(case: _Case) -> bool:
    """Not for strokes: a linear judge knows digits no better than what is drawn of them."""
    told = case.prior not in {"strokes", None} and case.clarity >= FAIR
    return told and len(case.card.classes) > 1


def _shares(case: _Case, latents: float) -> tuple[Share, ...]:
    """What the releases get; the steps have the rest."""
    _, components = _latent(case)
    shares = []
    if case.warm_start:
        shares += [Share(purpose="basis", share=0.05), Share(purpose="classes", share=0.1)]
        latents *= 0.85
    if _judged(case):
        shares.append(Share(purpose="judge", share=JUDGE, count=JUDGE_ROUNDS))
        latents *= 1 - JUDGE
    if components == 1:
        shares.append(Share(purpose="latents", share=latents))
    else:
        rounds = 3 if case.clarity >= CLEAR else 1
        shares.append(Share(purpose="latents", share=0.4 * latents))
        shares.append(Share(purpose="components", share=0.6 * latents, count=rounds))
    if _grain(case):
        shares.append(Share(purpose="grain", share=0.02))
    return tuple(shares)


def _steps(case: _Case) -> int:
    if not case.prior:
        return 600 if case.many else 500
    if case.many and case.epsilon >= GENEROUS:
        return 500 if case.prior == "strokes" else 900
    if case.many:
        return 130
    return 300 if case.epsilon >= GENEROUS else 130


def _batch(case: _Case) -> int:
    """256 at 1,800 records, 1,024 at 60,000: slower than the data grows, so that steps stay cheap.

    Twice as many where a prior leaves little to learn: larger batches waste less of a budget.
    """
    batch = round(REFERENCE_BATCH * math.pow(case.card.units / REFERENCE_COUNT, 0.4))
    batch = max(64, min(1024, batch))
    return min(2 * batch if case.prior and case.many else batch, case.card.units)


def _relative_size(card: DataCard) -> float:
    """Numbers in a picture, relative to MNIST's: a summed loss grows with them."""
    numbers = math.prod(modality_of(card.shape).dimensions)
    return round(numbers / REFERENCE_NUMBERS, 3)


PRESETS = Presets(choose=choose, enough=enough, priors=get_args(Drawn))
