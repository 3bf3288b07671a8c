"""Scores of generators and explanations that are known to be good, or known to be bad."""

import pytest
import torch

from safegen.explain.explain import explain
from safegen.explain.explainer import Attribution, average
from safegen.explain.faithfulness import SCORE_BOUNDS, believable, doubts
from safegen.explain.methods.shapley import ShapleyExplainer
from safegen.explain.registry import explainer_named
from safegen.explain.summary import in_words
from safegen.modality.image import ImageModality
from safegen.models.generator import LatentDraw, LatentGenerator, one_hot
from safegen.policy.vocabulary import SCORES
from safegen.schemas.card import PictureShape
from safegen.schemas.config import Architecture

PICTURE = ImageModality(PictureShape(channels=1, height=8, width=8))
NOISE = (1.0, 1.0, 1.0, 1.0)


class Steps:
    """Latent i brightens everything by 0.05 i^2, and the label by 0.6."""

    classes, latent = 3, 4

    def mixed_places(self):
        return torch.full((3,), 1 / 3)

    def render(self, noise, onehot, grain):
        moved = noise @ torch.tensor([0.0, 0.05, 0.2, 0.45]) + 0.6 * onehot[:, 1]
        return grain + moved.view(-1, 1, 1, 1)


class Backwards:
    """Says of the strongest input that it is the weakest, and the other way round."""

    name = "backwards"

    def explain(self, generator, draw, modality):
        said = ShapleyExplainer().explain(generator, draw, modality)
        strengths = said.values.abs().sum(dim=(0, 1))
        ranks = strengths.argsort(descending=True)
        values = said.values.clone()
        values[..., ranks] = said.values[..., ranks.flip(0)]
        return Attribution(
            method="backwards", baseline=average(generator, draw), settings={}, values=values
        )


class Jumpy(ShapleyExplainer):
    """Depends on the last bits of its input, and on its seed."""

    def explain(self, generator, draw, modality):
        said = super().explain(generator, draw, modality)
        source = torch.Generator().manual_seed(hash(float(draw.noise.sum())) % 2**32 + self.seed)
        values = torch.randn(said.values.shape, generator=source)
        return Attribution(method="jumpy", baseline=said.baseline, settings={}, values=values)


def scores_of(explainer, generator=None):
    draw = LatentDraw(
        noise=torch.tensor([NOISE]),
        places=one_hot(torch.tensor([1]), 3),
        grain=torch.zeros(1, 1, 8, 8),
    )
    (found,) = explain(
        generator or Steps(), draw, PICTURE, explainer=explainer, detail="full", file="x"
    )
    return found.record


def test_an_exact_explanation_has_the_best_scores():
    record = scores_of(ShapleyExplainer())
    scores = record.faithfulness
    assert scores["rank_correlation"] == pytest.approx(1)
    assert scores["infidelity"] == pytest.approx(0, abs=1e-6)
    assert scores["max_sensitivity"] < 0.1
    assert scores["deletion"] > 0.05
    assert scores["insertion"] > 0.05
    assert scores["stability"] == pytest.approx(0, abs=1e-4)
    assert believable(record)


def test_an_explanation_that_turns_everything_round_is_found_out():
    """It adds up, all the same."""
    record = scores_of(Backwards())
    scores = record.faithfulness
    assert record.completeness_gap < 1e-4
    assert scores["rank_correlation"] == pytest.approx(-1)
    assert scores["infidelity"] > 0.2
    assert scores["deletion"] < -0.05
    assert scores["insertion"] < -0.05
    told = in_words(record)
    assert "UNRELIABLE" in told
    assert "no more than chance" in told
    assert "correlation of -1.00" in told


def test_an_explanation_that_jumps_about_is_found_out():
    scores = scores_of(Jumpy()).faithfulness
    assert scores["max_sensitivity"] > 1
    assert scores["stability"] > 1
    told = doubts(scores_of(Jumpy()))
    assert any("another seed" in each for each in told)
    assert any("nobody sees" in each for each in told)


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_an_untrained_generators_explanation_is_unreliable(family):
    """Every ratio is at its best, since it is almost linear; but nothing happens."""
    for seed in range(3):
        torch.manual_seed(seed)
        generator = LatentGenerator(
            Architecture(
                family=family, channels=1, height=32, width=32, classes=10, latent=16, base=16
            )
        ).requires_grad_(requires_grad=False)
        found = explain(
            generator, generator.draw(torch.arange(10), seed), generator.modality,
            explainer=explainer_named("shapley"), detail="summary", file="x",
        )  # fmt: skip
        for each in found:
            assert each.record.completeness_gap < 0.01
            assert not believable(each.record)
            assert "learnt nothing" in in_words(each.record)


def test_policies_can_speak_of_every_score():
    assert set(scores_of(ShapleyExplainer()).faithfulness) == set(SCORES)
    assert set(SCORE_BOUNDS) <= set(SCORES)


def test_a_method_of_ones_own_decides_no_score_that_is_ours():
    class Boastful(Backwards):
        def explain(self, *given):
            said = super().explain(*given)
            return Attribution(
                method=said.method, baseline=said.baseline, settings={}, values=said.values,
                faithfulness={"rank_correlation": torch.ones(1), "own": torch.ones(1)},
            )  # fmt: skip

    scores = scores_of(Boastful()).faithfulness
    assert scores["rank_correlation"] == pytest.approx(-1)
    assert scores["own"] == 1
