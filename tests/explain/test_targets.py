"""Other regions, groups, scores of classifiers, layers, reconstructions; and what sanity asks."""

import numpy as np
import pytest
import torch

from safegen.errors import InputError
from safegen.explain.baselines import class_mean
from safegen.explain.maps import contribution_maps
from safegen.explain.methods.layer_conductance import conductances
from safegen.explain.reconstruction import Reconstruction
from safegen.explain.regions import divided, grouped, segments
from safegen.explain.registry import explainer_named
from safegen.explain.sanity import randomisation_test
from safegen.explain.target import explain_score
from safegen.models.generator import LatentGenerator
from safegen.models.vae import ConditionalVAE
from safegen.schemas.config import Architecture

MADE = Architecture(family="vae", channels=1, height=28, width=28, classes=3, latent=6, base=4)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    generator = LatentGenerator(MADE).requires_grad_(requires_grad=False)
    generator.prior.means.normal_(std=3)
    return generator


@pytest.fixture
def draw(generator):
    return generator.draw(torch.tensor([0, 1, 2]), 0)


def test_segments_are_connected_areas_and_hold_every_value_once():
    picture = np.zeros((1, 28, 28), dtype=np.float32)
    picture[0, 3:10, 3:10] = 1
    picture[0, 15:25, 15:25] = 0.5
    picture[0, 20, 2] = picture[0, 2, 20] = 1  # too small to be one each
    found = segments(picture)
    assert (found.sum(axis=0) == 1).all()
    assert [int(each.sum()) for each in found] == [784 - 49 - 100 - 2, 100, 49, 2]
    assert segments(np.zeros((1, 4, 4), dtype=np.float32)).all()


def test_any_method_explains_regions_of_ones_own(generator, draw):
    one = draw.rows(slice(0, 1))
    picture = generator.render(one.noise, one.places, one.grain)[0].numpy()
    masks = segments(picture)
    modality = divided(generator.modality, masks)
    maps = contribution_maps(generator, one)
    expected = [maps.values[0, :, torch.from_numpy(mask)].mean(dim=1).numpy() for mask in masks]
    for method, close in (("integrated-gradients", 1e-6), ("deeplift", 0.02)):
        said = explainer_named(method).explain(generator, one, modality)
        assert said.values[0].numpy() == pytest.approx(np.stack(expected), abs=close)
    with pytest.raises(InputError, match=r"\(regions, 1, 28, 28\)"):
        divided(generator.modality, masks[:, :, :5])
    with pytest.raises(InputError, match="holds no value"):
        divided(generator.modality, masks & False)


def test_what_groups_of_latents_did_is_added_up():
    attributions = torch.arange(12.0).view(2, 6)
    found = grouped(attributions, {"size": [0, 2], "slant": [1]})
    assert found["size"].tolist() == [2, 14]
    assert found["slant"].tolist() == [1, 7]
    assert found["other latents"].tolist() == [7, 19]
    assert found["label"].tolist() == [5, 11]
    with pytest.raises(InputError, match="no latent 5; they go from 0 to 4"):
        grouped(attributions, {"size": [5]})
    with pytest.raises(InputError, match="latent 1 is in two groups"):
        grouped(attributions, {"size": [1], "slant": [1]})


def test_a_classifiers_score_is_explained_and_adds_up(generator, draw):
    weights = torch.randn(28 * 28, generator=torch.Generator().manual_seed(1)) / 28

    def score(samples):
        return torch.tanh(samples.flatten(1) @ weights)

    found = explain_score(generator, draw, score)
    said = found.attribution
    with torch.no_grad():
        change = score(generator.render(draw.noise, draw.places, draw.grain)) - score(
            generator.render(said.baseline.noise, said.baseline.places, draw.grain)
        )
    assert found.remark == ""
    assert said.values.sum(dim=(1, 2)).numpy() == pytest.approx(change.numpy(), abs=1e-4)


def test_a_classifier_without_a_gradient_is_asked_by_setting_inputs_back_and_that_is_said(
    generator, draw
):
    def score(samples):
        return torch.tensor([round(float(each.mean()), 4) for each in samples.detach().numpy()])

    found = explain_score(generator, draw, score)
    assert "feature-ablation, which sets inputs back, explained instead" in found.remark
    assert found.attribution.method.startswith("feature ablation")
    assert found.attribution.values.any()


@pytest.mark.parametrize(
    ("score", "why"),
    [
        (lambda samples: torch.ones(len(samples)), "does not depend on any latent"),
        (lambda samples: samples.mean((1, 2, 3)) * torch.nan, "not finite"),
        (lambda samples: samples.mean((2, 3)).expand(-1, 2), "one number a sample"),
        (lambda samples: samples @ torch.ones(3), "does not take samples"),
    ],
)
def test_a_score_that_is_none_is_refused_in_words(generator, draw, score, why):
    with pytest.raises(InputError, match=why):
        explain_score(generator, draw, score)


def test_what_goes_through_each_layer_adds_up_to_the_whole_change(generator, draw):
    found = conductances(generator, draw, generator.modality, region=5)
    assert [each.layer for each in found] == [
        "enter", "doublings.0.convolution", "leave.convolution",
    ]  # fmt: skip
    for each in found:
        assert each.units.sum(dim=1).numpy() == pytest.approx(each.change.numpy(), abs=1e-4)
    with pytest.raises(InputError, match="no region 16; they go from 0 to 15"):
        conductances(generator, draw, generator.modality, region=16)


def test_a_vaes_reconstruction_is_explained_by_its_code():
    torch.manual_seed(0)
    vae = ConditionalVAE(MADE).requires_grad_(requires_grad=False)
    path = Reconstruction(vae, classes=3, latent=6)
    samples, labels = torch.rand(2, 1, 28, 28), torch.tensor([0, 2])
    draw = path.encoded(samples, labels)
    onehot = torch.eye(3)[labels]
    logits, *_ = vae(samples, onehot, torch.zeros(2, 6))
    made = path.render(draw.noise, draw.places, draw.grain)
    assert torch.equal(made, torch.sigmoid(logits))
    maps = contribution_maps(path, draw, baseline=class_mean)
    assert float(maps.completeness_gap.max()) < 1e-3
    assert maps.values[:, -1].abs().max() == 0  # its own class did nothing


def test_randomising_layers_changes_what_a_trained_generators_explanation_says(model):
    generator = model._generator
    draw = generator.draw(torch.arange(4), 0)
    found = randomisation_test(generator, draw, model.modality, explainer_named("shapley"))
    assert len(found[-1].layers) == len(found) == 3
    assert found[0].layers == ("leave.convolution",)
    assert all(each.similarity < 0.7 for each in found)
    true = explainer_named("shapley").explain(generator, draw, model.modality).values
    assert found[-1].effect < 0.5 * float(true.sum(dim=2).abs().max())


class Stubborn:
    """Says the same of every network."""

    name = "stubborn"

    def explain(self, generator, draw, modality):
        said = explainer_named("shapley").explain(generator, draw, modality)
        said.values.copy_(torch.linspace(0, 1, said.values.numel()).view_as(said.values))
        return said


def test_an_explanation_that_does_not_look_at_the_weights_is_found_out(generator, draw):
    found = randomisation_test(generator, draw, generator.modality, Stubborn())
    assert all(each.similarity == pytest.approx(1) for each in found)
