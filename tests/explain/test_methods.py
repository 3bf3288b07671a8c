"""Generators whose answer is known, explained by every method; real networks by two of them."""

import numpy as np
import pytest
import torch
from torch import nn

from safegen.errors import InputError, RequestError, SafegenError
from safegen.explain.baselines import another, baseline_named
from safegen.explain.explain import explain
from safegen.explain.explainer import regions_of
from safegen.explain.maps import contribution_maps
from safegen.explain.methods.deeplift import DeepLiftExplainer
from safegen.explain.methods.integrated_gradients import IntegratedGradientsExplainer
from safegen.explain.methods.shapley import ShapleyExplainer
from safegen.explain.registry import explainer_named
from safegen.modality.image import ImageModality
from safegen.models.generator import LatentDraw, LatentGenerator, one_hot
from safegen.schemas.card import PictureShape
from safegen.schemas.config import Architecture

ALL = ["integrated-gradients", "shapley", "feature-ablation", "kernel-shap"]
PICTURE = ImageModality(PictureShape(channels=1, height=8, width=8))


class Known:
    """A generator of 8x8 pictures with three classes and four latents."""

    classes, latent = 3, 4

    def mixed_places(self):
        return torch.full((3,), 1 / 3)


class Linear(Known):
    """Latent i brightens row 2 i, label 1 all of it."""

    def render(self, noise, onehot, grain):
        rows = torch.zeros(4, 1, 8, 8)
        for latent in range(4):
            rows[latent, :, 2 * latent] = 0.1 * (latent + 1)
        return grain + torch.einsum("ni,ichw->nchw", noise, rows) + 0.2 * one(onehot)


class Additive(Known):
    """No straight line in it, but each input acts alone."""

    def render(self, noise, onehot, grain):
        bent = 0.1 * torch.sin(noise[:, 0]) + 0.05 * noise[:, 1] ** 3 + 0.3 * onehot[:, 1] ** 2
        return grain + bent.view(-1, 1, 1, 1)


class OneRegion(Known):
    """Latent 2 moves the upper left quarter and nothing else moves anything."""

    def render(self, noise, onehot, grain):
        corner = torch.zeros(1, 1, 8, 8)
        corner[..., :4, :4] = 1
        return grain + 0.3 * noise[:, 2].view(-1, 1, 1, 1) * corner + 0 * one(onehot)


class OnlyTogether(Known):
    """Latents 0 and 1 do nothing alone."""

    def render(self, noise, onehot, grain):
        return grain + 0.3 * (noise[:, 0] * noise[:, 1]).view(-1, 1, 1, 1) + 0 * one(onehot)


def one(onehot):
    return onehot[:, 1].view(-1, 1, 1, 1)


def draw_of(*noise):
    return LatentDraw(
        noise=torch.tensor([noise]),
        places=one_hot(torch.tensor([1]), 3),
        grain=torch.zeros(1, 1, 8, 8),
    )


def expected_of(kind, noise):
    """(16, 5), by hand."""
    found = np.zeros((4, 4, 5))
    if kind is Linear:
        for latent in range(4):
            found[latent, :, latent] = noise[latent] * 0.1 * (latent + 1) / 2
        found[..., 4] = 0.2 * 2 / 3
    elif kind is Additive:
        found[..., 0], found[..., 1] = 0.1 * np.sin(noise[0]), 0.05 * noise[1] ** 3
        found[..., 4] = 0.3 * (1 - 1 / 9)
    elif kind is OneRegion:
        found[:2, :2, 2] = 0.3 * noise[2]
    return found.reshape(16, 5)


def explained(generator, draw, explainer, detail="summary"):
    return explain(
        generator, draw, PICTURE, explainer=explainer, detail=detail, file="x.safetensors"
    )


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("kind", [Linear, Additive, OneRegion])
def test_inputs_that_act_alone_get_what_they_did(kind, method):
    noise = (0.7, -1.2, 0.5, 1.5)
    (found,) = explained(kind(), draw_of(*noise), explainer_named(method))
    assert found.attributions == pytest.approx(expected_of(kind, noise), abs=1e-4)


@pytest.mark.parametrize("kind", [Linear, Additive, OneRegion])
def test_their_maps_are_theirs_in_every_pixel(kind):
    noise = (0.7, -1.2, 0.5, 1.5)
    maps = contribution_maps(kind(), draw_of(*noise))
    weights = torch.from_numpy(PICTURE.regions().weights)
    assert maps.over(weights)[0].numpy() == pytest.approx(expected_of(kind, noise), abs=1e-4)
    assert float(maps.completeness_gap) < 1e-4
    if kind is OneRegion:
        assert float(maps.values[0, 2, 0, :4, :4].min()) == pytest.approx(0.15, abs=1e-5)
        assert maps.values[0, 2, 0, 4:].abs().max() == 0


@pytest.mark.parametrize("method", ["integrated-gradients", "shapley", "kernel-shap"])
def test_two_that_only_act_together_share_what_they_do(method):
    (found,) = explained(OnlyTogether(), draw_of(1.0, 1.0, 7.0, 7.0), explainer_named(method))
    expected = np.zeros((16, 5))
    expected[:, :2] = 0.15
    drawn = 0.03 if method == "kernel-shap" else 1e-4  # it sees some of the coalitions
    assert found.attributions == pytest.approx(expected, abs=drawn)


@pytest.mark.parametrize("method", ALL)
def test_interaction_is_reported_where_it_exists_whatever_the_method(method):
    explainer = explainer_named(method)
    (alone,) = explained(Linear(), draw_of(0.7, -1.2, 0.5, 1.5), explainer, "full")
    (both,) = explained(OnlyTogether(), draw_of(1.0, 1.0, 7.0, 7.0), explainer, "full")
    assert alone.record.faithfulness["interaction"] == pytest.approx(0, abs=1e-4)
    assert both.record.faithfulness["interaction"] == pytest.approx(1, abs=1e-4)
    if method == "feature-ablation":  # each of the two is said to have done all of it
        assert both.record.completeness_gap == pytest.approx(1, abs=1e-4)


def network(**others):
    torch.manual_seed(0)
    made = Architecture(
        family="vae", channels=1, height=28, width=28, classes=3, latent=6, base=4,
        **{"components": 2, "grain": True, "contrast": 0.1} | others,
    )  # fmt: skip
    generator = LatentGenerator(made)
    generator.prior.means.normal_(std=3)
    generator.prior.factors.add_(0.3 * torch.randn_like(generator.prior.factors))
    if generator.grain is not None:
        generator.grain.spectrum.uniform_(0, 0.3)
    return generator.requires_grad_(requires_grad=False)


@pytest.mark.parametrize("others", [{}, {"conditional": False}, {"grain": False}])
def test_deeplift_adds_up_through_prior_decoder_and_grain(others):
    generator = network(**others)
    modality, draw = generator.modality, generator.draw(torch.tensor([0, 1, 2]), 0)
    said = DeepLiftExplainer().explain(generator, draw, modality)
    regions = regions_of(generator, draw, modality)
    change = regions(draw.noise, draw.places, draw.grain) - regions(
        said.baseline.noise, said.baseline.places, draw.grain
    )
    assert said.values.sum(dim=2).numpy() == pytest.approx(change.numpy(), abs=1e-5)
    gradients = IntegratedGradientsExplainer().explain(generator, draw, modality)
    alike = np.corrcoef(said.values.flatten(), gradients.values.flatten())[0, 1]
    assert alike > 0.95  # another method, of the same network


def test_deeplift_needs_layers_and_says_so():
    with pytest.raises(InputError, match="must see a network's layers"):
        explained(Linear(), draw_of(0.0, 0.0, 0.0, 0.0), explainer_named("deeplift"))
    generator = network()
    generator.decoder = Undecided(generator.decoder)
    with pytest.raises(InputError, match="depends on its input"):
        DeepLiftExplainer().explain(
            generator, generator.draw(torch.tensor([0]), 0), generator.modality
        )


class Undecided(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, codes, onehot):
        return self.decoder(codes if codes.sum() > 0 else -codes, onehot)


def test_maps_are_captums_integrated_gradients_in_every_region_and_on_sampled_pixels():
    from captum.attr import IntegratedGradients

    generator = network(components=1)
    draw = generator.draw(torch.tensor([2, 0]), 0)
    maps = contribution_maps(generator, draw, steps=12)
    said = IntegratedGradientsExplainer(steps=12).explain(generator, draw, generator.modality)
    weights = torch.from_numpy(generator.modality.regions().weights)
    assert maps.over(weights).numpy() == pytest.approx(said.values.numpy(), abs=1e-5)
    captums = IntegratedGradients(lambda *parts: generator.render(*parts).flatten(1))
    for pixel in (0, 300, 500, 783):
        noise, places = captums.attribute(
            (draw.noise, draw.places), (said.baseline.noise, said.baseline.places),
            additional_forward_args=(draw.grain,), target=pixel, n_steps=12,
        )  # fmt: skip
        expected = torch.cat([noise, places.sum(1, keepdim=True)], dim=1)
        ours = maps.values.flatten(2)[:, :, pixel]
        assert ours.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_baseline_is_the_question_and_is_stated():
    generator = network()
    draw = generator.draw(torch.tensor([0, 1]), 0)
    for name, words in (
        ("average", "all classes in equal parts"),
        ("class", "the mean of its own class"),
        ("zero", "no class"),
    ):
        explainer = ShapleyExplainer(baseline=baseline_named(name))
        said = explainer.explain(generator, draw, generator.modality)
        assert words in said.baseline.words
    own = ShapleyExplainer(baseline=baseline_named("class"))
    single = network(components=1)
    place = single.draw(torch.tensor([0, 1]), 0)
    assert own.explain(single, place, single.modality).values[..., -1].abs().max() == 0
    with pytest.raises(RequestError, match="'clas'; there are average, class, zero"):
        baseline_named("clas")


def test_against_another_output_it_says_why_this_and_not_that():
    generator = network()
    draw = generator.draw(torch.tensor([0, 1]), 0)
    this, that = draw.rows(slice(0, 1)), draw.rows(slice(1, 2))
    regions = regions_of(generator, this, generator.modality)
    for kind in (ShapleyExplainer, DeepLiftExplainer):
        explainer = kind(baseline=another(that.noise, that.places, "b.png"))
        said = explainer.explain(generator, this, generator.modality)
        difference = regions(this.noise, this.places, this.grain) - regions(
            that.noise, that.places, this.grain
        )
        assert said.baseline.words == "the output b.png"
        assert said.values.sum(2).numpy() == pytest.approx(difference.numpy(), abs=1e-5)
        itself = kind(baseline=another(this.noise, this.places, "a.png"))
        assert itself.explain(generator, this, generator.modality).values.abs().max() < 1e-6


class Broken(Known):
    def render(self, noise, onehot, grain):
        return grain + (noise.sum(1) * torch.nan).view(-1, 1, 1, 1) + 0 * one(onehot)


def test_maps_of_what_is_not_finite_are_refused():
    with pytest.raises(SafegenError, match="not finite"):
        contribution_maps(Broken(), draw_of(1.0, 1.0, 1.0, 1.0))
