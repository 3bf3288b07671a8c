import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from safegen.errors import TamperedError
from safegen.explain.arrays import array_digest, packed, row_of
from safegen.explain.explain import explain
from safegen.explain.faithfulness import believable, completeness_gaps
from safegen.explain.figure import draw as draw_figure
from safegen.explain.registry import explainer_named
from safegen.explain.summary import in_words, region_rows, strongest_latents, summarise
from safegen.modality.image import ImageModality
from safegen.models.generator import LatentDraw, LatentGenerator, one_hot
from safegen.schemas.canonical import digest
from safegen.schemas.card import PictureShape
from safegen.schemas.config import Architecture


def pictures(channels, height, width):
    return ImageModality(PictureShape(channels=channels, height=height, width=width))


def explained(generator, draw, name="integrated-gradients"):
    method, modality = explainer_named(name), pictures(*draw.grain.shape[1:])
    return explain(
        generator, draw, modality, explainer=method, detail="summary", file="x.safetensors"
    )


def region_brightness(pictures):
    """As torch says it, which the regions' weights must agree with."""
    return functional.adaptive_avg_pool2d(pictures.mean(dim=1, keepdim=True), 4).flatten(1)


class OneLatentOneRegion:
    """A generator known by heart: latent 2 brightens the lower right corner, label 1 everything."""

    classes, latent = 3, 4

    def mixed_places(self):
        return torch.full((3,), 1 / 3)

    def render(self, noise, onehot, grain):
        pictures = grain + 0.1 * onehot[:, 1].view(-1, 1, 1, 1)
        corner = torch.zeros(1, 1, 32, 32)
        corner[..., 24:, 24:] = 1
        return pictures + 0.2 * noise[:, 2].view(-1, 1, 1, 1) * corner


class TwoOnlyTogether(OneLatentOneRegion):
    """Latents 0 and 1 brighten everything, but only together; nothing else does anything."""

    def render(self, noise, onehot, grain):
        both = 0.3 * noise[:, 0] * noise[:, 1] + 0 * onehot[:, 0]
        return grain + both.view(-1, 1, 1, 1)


METHODS = ["integrated-gradients", "shapley"]


def one_draw(*noise):
    return LatentDraw(
        noise=torch.tensor([noise]),
        places=one_hot(torch.tensor([1]), 3),
        grain=torch.zeros(1, 1, 32, 32),
    )


@pytest.fixture(scope="module", params=METHODS)
def known(request):
    (explanation,) = explained(OneLatentOneRegion(), one_draw(5.0, 5.0, 2.0, 5.0), request.param)
    return explanation


def test_attributions_are_those_of_a_generator_known_by_heart(known):
    expected = np.zeros((16, 4 + 1))
    expected[:, 4] = 0.1 * 2 / 3  # from a third of label 1, at the baseline, to all of it
    expected[15, 2] = 0.4
    assert known.attributions == pytest.approx(expected, abs=1e-4)
    assert known.record.completeness_gap < 1e-4
    assert believable(known.record)


@pytest.mark.parametrize("method", METHODS)
def test_two_inputs_that_only_act_together_share_what_they_do(method):
    """By symmetry half each, where both came the same way."""
    (found,) = explained(TwoOnlyTogether(), one_draw(1.0, 1.0, 7.0, 7.0), method)
    expected = np.zeros((16, 5))
    expected[:, :2] = 0.15
    assert found.attributions == pytest.approx(expected, abs=1e-4)


def test_interaction_is_reported_where_it_exists():
    (alone,) = explained(OneLatentOneRegion(), one_draw(5.0, 5.0, 2.0, 5.0), "shapley")
    (together,) = explained(TwoOnlyTogether(), one_draw(1.0, 1.0, 7.0, 7.0), "shapley")
    assert alone.record.faithfulness["order_gap"] == pytest.approx(0, abs=1e-5)
    assert together.record.faithfulness["order_gap"] == pytest.approx(1, abs=1e-5)


def test_the_summary_names_what_matters(known):
    summary = summarise(known.record)
    assert summary.top_latents[0] == "latent 2"
    assert strongest_latents(known.record)[0] == 2
    assert summary.label_share == pytest.approx((1.6 * 2 / 3) / (1.6 * 2 / 3 + 0.4), abs=1e-4)
    assert summary.digest == digest(known.record)
    assert summary.arrays == array_digest(known.attributions)
    assert "73%" in in_words(known.record)
    pixels = np.full((1, 32, 32), 51, dtype=np.uint8)
    corner = region_rows(pixels, pictures(1, 32, 32), known.attributions)[15]
    assert (corner.row, corner.column) == (3, 3)
    assert corner.top_latents[0] == 2
    assert corner.brightness == pytest.approx(0.2, abs=1e-5)


def test_an_explanation_that_does_not_add_up_says_so(known):
    doubtful = known.record.model_copy(update={"faithfulness": {"completeness_gap": 0.3}})
    assert not believable(doubtful)
    assert "UNRELIABLE: they miss what they explain by 30.0%" in in_words(doubtful)
    assert "UNRELIABLE" not in in_words(known.record)


def test_numbers_are_packed_and_read_back_by_row(known):
    other = np.zeros_like(known.attributions)
    data = packed([known.attributions, other])
    assert (row_of(data, known.record.arrays) == known.attributions).all()
    elsewhere = known.record.arrays.model_copy(update={"row": 1})
    for wrong, arrays in ((data, elsewhere), (packed([other]), known.record.arrays)):
        with pytest.raises(TamperedError, match="other numbers than were signed"):
            row_of(wrong, arrays)
    for broken in (b"", b"{}", data[:40]):
        with pytest.raises(TamperedError, match="holds no numbers"):
            row_of(broken, known.record.arrays)


def test_a_gap_is_noticed():
    attributions = torch.tensor([[[0.1, 0.1], [0.0, 0.0]]])
    changes = torch.tensor([[0.4, 0.1]])
    assert completeness_gaps(attributions, changes) == pytest.approx(0.5)


KINDS = {
    "plain": {},
    "components": {"components": 3, "conditional": False},
    "contrast": {"contrast": 0.2},
    "grain": {"grain": True},
    "all": {"components": 3, "conditional": False, "contrast": 0.2, "grain": True},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_real_network_is_explained_completely(kind, method):
    torch.manual_seed(0)
    generator = LatentGenerator(
        Architecture(
            family="vae", channels=3, height=28, width=28, classes=3, latent=6, base=4,
            **KINDS[kind],
        )
    )  # fmt: skip
    generator.prior.means.normal_()
    if generator.grain is not None:
        generator.grain.spectrum.uniform_(0, 0.4)
    draw = generator.draw(torch.tensor([0, 1, 2]), seed=0)
    explanations = explained(generator, draw, method)
    with torch.no_grad():
        reached = region_brightness(generator.render(draw.noise, draw.places, draw.grain))
        mixed = generator.mixed_places().expand_as(draw.places)
        started = region_brightness(generator.render(draw.noise * 0, mixed, draw.grain))
    for number, explanation in enumerate(explanations):
        assert explanation.attributions.shape == (16, 6 + 1)  # all classes are the label's part
        assert explanation.attributions.sum(axis=1) == pytest.approx(
            (reached - started)[number].numpy(), abs=1e-3
        )
        assert explanation.record.completeness_gap < 0.02


def test_the_label_gets_credit_for_choosing_the_code():
    """Where classes differ only by where their codes lie, the label must not look idle."""
    torch.manual_seed(0)
    generator = LatentGenerator(
        Architecture(family="vae", channels=1, height=28, width=28, classes=2, latent=4, base=4)
    )
    generator.decoder.enter.weight.data[:, 4:] = 0  # the decoder itself ignores the label
    generator.prior.means.copy_(torch.tensor([[6.0] * 4, [-6.0] * 4]))
    draw = generator.draw(torch.tensor([0]), seed=0)
    quiet = LatentDraw(noise=0.1 * draw.noise, places=draw.places, grain=draw.grain)
    for method in METHODS:
        (explanation,) = explained(generator, quiet, method)
        assert explanation.record.label_share > 0.8


@pytest.mark.parametrize("method", METHODS)
def test_an_output_explained_by_itself_has_the_same_digest(model, method):
    """However many were explained with it, and wherever it stood among them."""
    draw = model._generator.draw(torch.arange(70) % 10, seed=3)
    rows = [0, 1, 56, 69]
    if method == "integrated-gradients":  # slow
        draw, rows = draw.rows(slice(0, 3)), [0, 2]
    together = explained(model._generator, draw, method)
    for row in rows:
        (alone,) = explained(model._generator, draw.rows(slice(row, row + 1)), method)
        assert alone.record.arrays.digest == together[row].record.arrays.digest


def test_the_figure_is_a_picture(known):
    pixels = np.zeros((1, 32, 32), dtype=np.uint8)
    png = draw_figure(pixels, pictures(1, 32, 32), known.record, known.attributions, "a picture")
    import io

    picture = Image.open(io.BytesIO(png))
    assert picture.width > 600
    assert np.asarray(picture.convert("L")).std() > 10
