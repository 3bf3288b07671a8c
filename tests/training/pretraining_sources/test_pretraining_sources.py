"""Pictures drawn by code: of every size and colour, the same for the same seed, never empty."""

import pytest
import torch

from safegen.training.pretraining_sources import PRIORS, draw_prior
from safegen.training.pretraining_sources.canvas import distance_to_lines, fine, inside

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 28, 64), (3, 64, 28), (1, 128, 128), (1, 28, 128)]
DRAWN = 24


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PRIORS)
def test_every_size_grey_and_rgb(name, shape):
    pictures = draw_prior(name, DRAWN, shape, 1)
    assert pictures.shape == (DRAWN, *shape)
    assert pictures.dtype == torch.uint8
    spread = pictures.float().flatten(1).std(dim=1)
    assert (spread > 3).all()  # none is empty
    assert len({picture.numpy().tobytes() for picture in pictures}) == DRAWN  # and none twice


@pytest.mark.parametrize("name", PRIORS)
def test_a_seed_names_its_pictures(name):
    pictures = draw_prior(name, DRAWN, (3, 28, 28), 1)
    assert torch.equal(draw_prior(name, DRAWN, (3, 28, 28), 1), pictures)
    assert not torch.equal(draw_prior(name, DRAWN, (3, 28, 28), 2), pictures)


@pytest.mark.parametrize("name", PRIORS)
def test_drawing_takes_nothing_from_torch_s_own_randomness(name):
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    draw_prior(name, 2, (3, 28, 28), 1)
    assert torch.equal(torch.rand(1), first)


@pytest.mark.parametrize("name", PRIORS)
def test_many_are_drawn_a_part_at_a_time(name, monkeypatch):
    monkeypatch.setattr("safegen.training.pretraining_sources.BATCH_ROWS", 5)
    assert draw_prior(name, 12, (1, 28, 28), 1).shape == (12, 1, 28, 28)


@pytest.mark.parametrize("name", ["strokes", "silhouettes"])
def test_figures_are_light_on_dark_and_not_at_the_edge(name):
    """As the records are that they stand for; a figure cut off would be a fault of drawing."""
    pictures = draw_prior(name, 200, (1, 28, 28), 1).float() / 255
    assert (pictures[..., 0, 0] < 0.1).float().mean() > 0.95
    assert 0.02 < float(pictures.mean()) < 0.4
    assert pictures.amax(dim=(1, 2, 3)).median() > 0.6


def test_colours_keep_the_dark_end_darker():
    grey = draw_prior("strokes", DRAWN, (1, 28, 28), 1).float().flatten(1)
    coloured = draw_prior("strokes", DRAWN, (3, 28, 28), 1).float().mean(dim=1).flatten(1)
    for one, other in zip(grey, coloured, strict=True):
        assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.9


def test_distances_are_those_of_geometry():
    starts, ends = torch.tensor([[[0.0, 0.5]]]), torch.tensor([[[1.0, 0.5]]])
    far = distance_to_lines(starts, ends, 4)[0]
    assert far == pytest.approx(torch.tensor([0.375, 0.125, 0.125, 0.375])[:, None].expand(4, 4))
    point = torch.tensor([[[0.125, 0.125]]])  # a line of no length
    assert distance_to_lines(point, point, 4)[0, 0, 0] == pytest.approx(0, abs=1e-6)
    assert distance_to_lines(point, point, 4)[0, 0, 3] == pytest.approx(0.75)


def test_a_polygon_holds_what_lies_inside():
    square = torch.tensor([[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]])
    held = inside(square, 4)[0]
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1:3, 1:3] = True
    assert torch.equal(held, expected)
    assert torch.equal(inside(square.flip(1), 4)[0], expected)
    assert fine(held[None], 2)[0] == pytest.approx(torch.full((2, 2), 0.25))
