"""A judge sees edges, and a generator draws anew what its judge does not take for its label."""

import pytest
import torch

from safegen.models.edges import count_features, edge_features
from safegen.models.generator import MAX_REDRAWS, LatentGenerator
from safegen.schemas.config import Architecture

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 8, 8), (3, 64, 48), (1, 128, 128)]
CLASSES = 3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [torch.rand, torch.zeros, torch.ones])
def test_features_of_any_picture_are_finite_and_no_longer_than_one(shape, make):
    features = edge_features(make(5, *shape))
    assert features.shape == (5, count_features(shape[0]))
    assert features.isfinite().all()
    assert features.norm(dim=1).max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_has_the_same_features_in_any_company(shape):
    pictures = torch.rand(7, *shape)
    assert torch.equal(edge_features(pictures)[3:4], edge_features(pictures[3:4]))


def test_edges_tell_directions_and_not_how_bright_a_picture_is():
    stripes = (torch.arange(28) // 4 % 2).float()
    across, down = stripes.expand(28, 28)[None, None], stripes[:, None].expand(28, 28)[None, None]
    same = (edge_features(across / 4) * edge_features(across)).sum()
    other = (edge_features(down) * edge_features(across)).sum()
    assert same > 0.98
    assert other < 0.5


def generator(*, judged=True, **changes):
    torch.manual_seed(0)
    architecture = Architecture(
        family="vae", channels=1, height=28, width=28, classes=CLASSES, latent=6, base=8,
        components=2, conditional=False, judged=judged, **changes,
    )  # fmt: skip
    made = LatentGenerator(architecture)
    made.prior.means.normal_(std=2.0)
    torch.nn.init.normal_(made.decoder.leave.convolution.weight, std=0.5)
    if made.grain is not None:
        made.grain.spectrum.fill_(0.3)
    return made


def taught(made):
    """Its judge takes a picture for the class whose usual sample it is most like."""
    everyone = torch.arange(CLASSES).repeat_interleave(400)
    plain = generator(judged=False).sample(everyone, seed=9)
    usual = edge_features(plain).unflatten(0, (CLASSES, -1)).mean(dim=1)
    made.judge.weights.copy_(usual)
    made.judge.biases.copy_(-usual.square().sum(dim=1) / 2)
    return made


def agreement(made, drawn, labels):
    return made.judge(made.render(drawn.noise, drawn.places, drawn.grain)).argmax(1) == labels


LABELS = torch.arange(CLASSES).repeat(500)


@torch.no_grad()
@pytest.mark.parametrize("grain", [False, True])
def test_samples_are_taken_for_their_labels(grain):
    made = taught(generator(grain=grain))
    before = agreement(made, made.propose(LABELS, seed=1), LABELS)
    after = agreement(made, made.draw(LABELS, seed=1), LABELS)
    assert before.float().mean() < 0.9
    assert after.float().mean() > 0.99


@torch.no_grad()
def test_what_was_right_at_once_stays_as_it_was():
    made = taught(generator(grain=True))
    first, kept = made.propose(LABELS, seed=1), made.draw(LABELS, seed=1)
    right = agreement(made, first, LABELS)
    for before, after in [(first.noise, kept.noise), (first.grain, kept.grain)]:
        assert torch.equal(before[right], after[right])
        assert (before[~right] != after[~right]).flatten(1).any(dim=1).all()
    classes = kept.places.unflatten(1, (CLASSES, -1)).sum(dim=2).argmax(dim=1)
    assert torch.equal(classes, LABELS)


def test_the_same_seed_draws_the_same_and_another_one_others():
    made = taught(generator())
    assert torch.equal(made.sample(LABELS, seed=3), made.sample(LABELS, seed=3))
    assert not torch.equal(made.sample(LABELS, seed=3), made.sample(LABELS, seed=4))


@pytest.mark.parametrize("grain", [False, True])
def test_a_sample_can_be_made_again_without_knowing_what_others_were_asked_for(grain):
    """As `safegen explain --package` does."""
    made = taught(generator(grain=grain))
    labels = torch.arange(90) % CLASSES
    together = made.sample(labels, seed=1)
    assert not torch.equal(made.draw(labels, seed=1).noise, made.propose(labels, seed=1).noise)
    for label in range(CLASSES):
        alone = made.sample(torch.full((90,), label), seed=1)
        assert torch.allclose(alone[labels == label], together[labels == label], atol=1e-5)


def test_a_label_that_its_judge_never_gives_is_drawn_a_few_times_and_then_kept(monkeypatch):
    made = generator()
    made.judge.biases[0] = 1.0
    asked = []
    monkeypatch.setattr(
        made.judge, "forward", lambda rows: asked.append(len(rows)) or rows.new_zeros(len(rows), 3)
    )
    samples = made.sample(torch.tensor([0, 1, 1]), seed=0)
    assert asked == [3] + [2] * MAX_REDRAWS
    assert samples.isfinite().all()
    assert samples.shape == (3, 1, 28, 28)


def test_without_a_judge_every_proposal_is_kept():
    made = generator(judged=False)
    assert torch.equal(made.draw(LABELS, seed=2).noise, made.propose(LABELS, seed=2).noise)
    assert not any(name.startswith("judge") for name in made.state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_makes_the_same_samples():
    """But for pictures on the edge, which either may judge otherwise."""
    made = taught(generator(grain=True))
    here = made.sample(LABELS, seed=3)
    there = made.to("cuda").sample(LABELS, seed=3)
    assert there.device.type == "cuda"
    apart = (here - there.cpu()).abs().flatten(1).amax(dim=1)
    assert (apart < 1e-2).float().mean() > 0.98
