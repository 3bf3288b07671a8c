"""Directions, clusters, counterfactuals, concepts: on generators and classifiers that are known."""

import pytest
import torch
from torch import nn

from safegen.errors import InputError
from safegen.explain.counterfactual import counterfactual
from safegen.explain.directions import clusters, directions, factorised
from safegen.explain.methods.concepts import JudgeNetwork, concept_sensitivity
from safegen.models.generator import LatentDraw, LatentGenerator, one_hot
from safegen.models.label_filter import LabelFilter
from safegen.schemas.config import Architecture


def network(**others):
    torch.manual_seed(0)
    made = Architecture(
        family="vae", channels=1, height=28, width=28, classes=3, latent=6, base=4, **others
    )
    return LatentGenerator(made).requires_grad_(requires_grad=False)


def test_sefa_finds_the_direction_that_the_first_layer_stretches():
    generator = network()
    generator.decoder.enter.weight[:, :6] *= 0.1
    generator.decoder.enter.weight[:, 4] *= 100
    (first, *_) = factorised(generator, 3)
    assert abs(float(first[4])) > 0.99


def test_the_two_ways_agree_where_one_latent_does_nearly_everything():
    generator = network()
    generator.decoder.enter.weight[:, :6] *= 0.05
    generator.decoder.enter.weight[:, 2] *= 100
    found = {each.name: each for each in directions(generator, count=2, label=1)}
    for name in ("sefa-1", "pca-1"):
        assert abs(found[name].vector[2]) > 0.95
        assert found[name].strip.shape == (5, 1, 28, 28)
        assert found[name].effect == ""  # there is no judge
        assert found[name].stability > 0.95
    assert found["sefa-1"].strength > 5 * found["sefa-2"].strength


def test_a_classifier_says_what_a_direction_does():
    generator = network()
    generator.decoder.enter.weight[:, :6] *= 0.05
    generator.decoder.enter.weight[:, 2] *= 100

    def classifier(samples):
        ends = (samples[-1] - samples[0]).flatten()
        along = 2000 * (samples - samples[2]).flatten(1) @ ends
        return torch.stack([along, -along], dim=1)

    (first, *_) = directions(generator, count=1, label=1, classifier=classifier)
    assert first.effect == "class 0: 0% to 100%"


def test_clusters_are_found_where_a_class_has_them():
    generator = network(components=2)
    generator.prior.means[2], generator.prior.means[3] = 8, -8  # both are of class 1
    (first, second) = clusters(generator, 1)
    assert first.share + second.share == pytest.approx(1)
    assert first.share == pytest.approx(0.5, abs=0.08)
    assert first.stability == 1
    assert first.separation > 0.7
    assert clusters(generator, 0)[0].separation < 0.4


class Brightness:
    """A generator whose sample is its first two latents, and a classifier of them."""

    classes, latent = 2, 3

    def mixed_places(self):
        return torch.full((2,), 0.5)

    def render(self, noise, places, grain):
        return grain + noise[:, :2].view(-1, 1, 1, 2) + 0 * places[:, :1].view(-1, 1, 1, 1)


def drawn():
    return LatentDraw(
        noise=torch.tensor([[-1.0, 0.5, 2.0]]),
        places=one_hot(torch.tensor([1]), 2),
        grain=torch.zeros(1, 1, 1, 2),
    )


def by_first(samples):
    """Class 1 where the first value is above 1, class 0 otherwise, never class 2."""
    first = 4 * (samples[..., 0].flatten() - 1)
    return torch.stack([-first, first, torch.full_like(first, -100.0)], dim=1)


def test_the_nearest_change_is_the_straight_one():
    found = counterfactual(Brightness(), drawn(), by_first, target=1)
    assert (found.called, found.becomes, found.remark) == (0, 1, "")
    assert found.change.numpy() == pytest.approx([2, 0, 0], abs=0.1)
    assert found.distance == pytest.approx(2, abs=0.1)
    assert by_first(found.after[None]).argmax() == 1
    assert by_first(found.before[None]).argmax() == 0


def test_a_classifier_without_a_gradient_is_persuaded_by_trying_and_that_is_said():
    def hard(samples):
        return (by_first(samples.detach()) > 0).float()

    found = counterfactual(Brightness(), drawn(), hard, target=1)
    assert "sought by random changes" in found.remark
    assert 2 <= found.distance < 4


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (0, "calls the sample 0 already"),
        (2, "nothing that is likely"),
        (3, "classes 0 to 2, not 3"),
    ],
)
def test_what_cannot_be_turned_is_told(target, why):
    with pytest.raises(InputError, match=why):
        counterfactual(Brightness(), drawn(), by_first, target=target)


class Bends(nn.Module):
    """Two features, brightness of the left and of the right half; class 1 by the left alone."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(8, 2, bias=False))
        left = torch.tensor([1.0, 1, 0, 0, 1, 1, 0, 0]) / 4
        self.features[1].weight.data = torch.stack([left, 0.25 - left])
        self.head = nn.Linear(2, 2)
        self.head.weight.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])

    def forward(self, samples):
        return self.head(self.features(samples))


def examples(count, left, right, seed):
    source = torch.Generator().manual_seed(seed)
    samples = 0.2 * torch.rand(count, 1, 2, 4, generator=source)
    samples[..., :2] += left
    samples[..., 2:] += right
    return samples


def test_a_concept_that_the_classifier_uses_is_significant_and_chance_is_not():
    torch.manual_seed(1)  # made-up concepts are taken for true ones more often than the level says
    random = [examples(40, 0.0, 0.0, 10 + seed) for seed in range(8)]
    inputs = examples(20, 0.3, 0.3, 1)
    asked = {"target": 1, "random_sets": random}
    used = concept_sensitivity(
        Bends(), "features", inputs, concept=("bright left", examples(40, 1.0, 0.0, 2)), **asked
    )
    assert used.score == 1
    assert used.is_significant
    chance = concept_sensitivity(
        Bends(), "features", inputs, concept=("nothing", examples(40, 0.0, 0.0, 99)), **asked
    )
    assert not chance.is_significant


def test_a_judge_can_be_asked_between_its_two_parts():
    judge = LabelFilter(3, 1)
    judge.weights.normal_()
    samples = torch.rand(4, 1, 28, 28)
    as_layers = JudgeNetwork(judge)
    assert torch.allclose(as_layers(samples), judge(samples), atol=1e-5)
    assert as_layers.layer in dict(as_layers.named_modules())


def test_what_a_concept_cannot_be_asked_with_is_told():
    good = examples(40, 0.0, 0.0, 0)
    for layer, concept, random, why in (
        ("feature", good, [good] * 3, "no layer 'feature'; it has features"),
        ("features", good[:5], [good] * 3, "by 10 samples or more"),
        ("features", good, [good] * 2, "3 random sets or more"),
    ):
        with pytest.raises(InputError, match=why):
            concept_sensitivity(
                Bends(), layer, good, target=1, concept=("x", concept), random_sets=random
            )
