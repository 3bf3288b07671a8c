import dataclasses

import numpy as np
import pytest
import torch

from safegen.errors import InputError
from safegen.evaluation.calibration import calibration_by_class, calibration_error, reliability
from safegen.evaluation.classifier import Labelled, Validation, affine, fit
from safegen.evaluation.classifiers import SmallCNN
from safegen.evaluation.cuda_graph import Recording
from safegen.evaluation.protocols import DPIMAGEBENCH, PROTOCOLS, QUICK, build, default_augment
from safegen.evaluation.utility import (
    ClassifierComparison,
    TrainedClassifiers,
    compare,
    train_and_test,
)
from safegen.schemas.card import PictureShape

CPU = torch.device("cpu")
TINY = dataclasses.replace(QUICK, pictures=96, epochs=2, least_steps=18, batch=32, seeds=2)
SHAPES = [(1, 28, 28), (3, 28, 28), (1, 36, 44), (3, 64, 64), (1, 128, 128), (3, 128, 96)]


def striped(count, seed, *, shape=(1, 28, 28), labels=None):
    """Three classes, told by which third of the picture is bright."""
    generator = np.random.default_rng(seed)
    of = generator.integers(3, size=count)
    pictures = generator.integers(0, 90, (count, *shape), dtype=np.uint8)
    third = shape[1] // 3
    for picture, label in zip(pictures, of, strict=True):
        picture[:, label * third : (label + 1) * third] += 120
    return Labelled(pictures=pictures, labels=of if labels is None else labels(of, generator))


def contest(**changes):
    return dataclasses.replace(
        ClassifierComparison(
            protocol=TINY,
            augment="none",
            seeds=(0, 1),
            classes=("top", "middle", "bottom"),
            test=striped(150, 99),
            validation=None,
            device=CPU,
        ),
        **changes,
    )


def runs(*probabilities):
    return TrainedClassifiers(trained_on=3, probabilities=probabilities, first=None)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_quick_network_takes_every_size(shape):
    network = SmallCNN(*shape, 4).eval()
    assert network(torch.rand(2, *shape)).shape == (2, 4)
    assert network.features(torch.rand(2, *shape)).shape == (2, 256)


def test_at_28_pixels_it_is_the_published_one():
    network = SmallCNN(1, 28, 28, 10)
    layers = [*network.trunk, *network.head]
    names = " ".join(type(layer).__name__ for layer in layers)
    assert names == "Conv2d ReLU MaxPool2d Conv2d ReLU MaxPool2d Flatten Dropout Linear"
    assert sum(each.numel() for each in network.parameters()) == 320 + 18_496 + 31_370


@pytest.mark.parametrize(
    ("network", "millions"), [("resnet", 1.7), ("wrn", 8.9), ("resnext", 34.4)]
)
def test_the_papers_networks_have_their_size(network, millions):
    made = build(network, PictureShape(channels=3, height=32, width=32), 10)
    found = sum(each.numel() for each in made.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.1)


def test_small_sets_get_as_many_steps():
    for count in (30_000, 4_708, 1_080, 100):
        steps = QUICK.epochs_for(count) * QUICK.steps_each(count)
        assert 468 <= steps < 468 + QUICK.steps_each(count)
    assert QUICK.epochs_for(30_000) == 4
    assert DPIMAGEBENCH.epochs_for(55_000) == 50


def test_augmentation_is_decided_by_name_alone():
    names = ("mnist", "digits", "fashion-mnist", "pneumoniamnist", "mnist-of-mine")
    assert [default_augment(name, "quick") for name in names] == [
        "affine", "affine", "none", "none", "none",
    ]  # fmt: skip
    assert default_augment("mnist", "dpimagebench") == "none"


def test_affine_moves_pictures_a_little_and_repeats_with_its_seed():
    pictures = torch.zeros(8, 1, 28, 28)
    pictures[:, :, 10:18, 10:18] = 1
    one, two = (affine(pictures, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, pictures)
    places = torch.arange(28.0)
    middles = (one.sum((1, 2)) * places).sum(1) / one.sum((1, 2, 3))
    assert (middles - 13.5).abs().max() < 3
    assert (one.sum((1, 2, 3)) / 64 - 1).abs().max() < 0.5


def test_classifiers_learn_what_there_is_to_learn():
    found = train_and_test(contest(), lambda seed: striped(96, seed))
    utility = compare(contest(), found, found)
    assert utility.synthetic.accuracy.mean > 0.95
    assert len(utility.synthetic.accuracy.runs) == 2
    assert utility.share_of_ceiling == 1
    assert (utility.pictures, utility.tested) == (96, 150)


def test_permuted_labels_leave_them_at_chance():
    def permuted(labels, generator):
        return generator.permutation(labels)

    found = train_and_test(contest(), lambda seed: striped(96, seed, labels=permuted))
    assert compare(contest(), found, found).synthetic.accuracy.mean < 0.6


def test_a_classifier_repeats_with_its_seed_and_leaves_others_randomness_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    data, asked = striped(64, 0), striped(9, 1).pictures

    def trained(seed):
        made = fit(data, 3, "cnn", TINY, augment="affine", seed=seed, device=CPU)
        return made.probabilities(asked)

    assert np.array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_validation_set_chooses_the_epoch():
    """By records whose labels are all wrong, the epoch that learnt least is chosen."""

    def wrong(labels, generator):
        return (labels + 1) % 3

    chosen, last = (
        fit(
            striped(96, 0),
            3,
            "cnn",
            TINY,
            augment="none",
            seed=0,
            device=CPU,
            validation=each,
        )
        for each in (Validation(records=striped(60, 5, labels=wrong), noise=1e-6), None)
    )
    test = striped(150, 99)
    right = [
        (each.probabilities(test.pictures).argmax(1) == test.labels).mean()
        for each in (chosen, last)
    ]
    assert right[0] < right[1]


@pytest.mark.parametrize("network", ["resnet", "wrn", "resnext"])
def test_the_dpimagebench_way_runs_on_a_few_pictures(network):
    tiny = dataclasses.replace(
        DPIMAGEBENCH, networks=(network,), epochs=1, least_steps=1, batch=4, validation=4
    )
    kept = Validation(records=striped(4, 3), noise=1.0)
    made = fit(striped(8, 0), 3, network, tiny, augment="none", seed=0, device=CPU, validation=kept)
    assert made.centred
    found = made.probabilities(striped(5, 1).pictures)
    assert found.shape == (5, 3)
    assert found.sum(1) == pytest.approx(np.ones(5), abs=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("network", "protocol"), [("cnn", TINY), ("resnet", DPIMAGEBENCH)])
def test_a_gpu_learns_the_same(network, protocol):
    """From recordings of both passes, which leave the network itself as it was."""
    few = dataclasses.replace(protocol, networks=(network,), epochs=20, least_steps=1, batch=32)
    before = torch.cuda.get_rng_state()
    given = striped(96, 0), 3, network, few
    made = fit(*given, augment="none", seed=0, device=torch.device("cuda"),
               validation=Validation(records=striped(60, 5), noise=1e-6))  # fmt: skip
    assert torch.equal(torch.cuda.get_rng_state(), before)
    test = striped(150, 99)
    assert (made.probabilities(test.pictures).argmax(1) == test.labels).mean() > 0.9
    assert {parameter.dtype for parameter in made.network.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_recording_plays_the_gradients_of_what_it_is_given():
    device = torch.device("cuda")
    network = SmallCNN(1, 28, 28, 3).to(device).eval()  # without dropout
    batches = [
        (torch.rand(32, 1, 28, 28, device=device), torch.arange(32, device=device) % 3)
        for _ in range(2)
    ]
    before = [parameter.detach().clone() for parameter in network.parameters()]
    recording = Recording(network, *batches[0], half=False)
    assert all(map(torch.equal, before, network.parameters()))
    for inputs, labels in reversed(batches):
        recording.play(inputs, labels)
        loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        expected = torch.autograd.grad(loss, list(network.parameters()))
        for parameter, slope in zip(network.parameters(), expected, strict=True):
            assert torch.allclose(parameter.grad, slope, rtol=1e-2, atol=1e-4)
    network.train()
    noisy, found = Recording(network, *batches[0], half=False), []
    for _ in range(2):
        noisy.play(*batches[0])
        found.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert not torch.allclose(*found)  # each time other units drop out


def test_words_say_what_a_gpu_rounds():
    told = [each.in_words(on_gpu=gpu) for each in (QUICK, DPIMAGEBENCH) for gpu in (False, True)]
    assert ["bfloat16" in each for each in told] == [False, False, False, True]


def test_some_of_a_protocols_networks():
    assert DPIMAGEBENCH.only(["resnext", "resnet"]).networks == ("resnet", "resnext")
    assert DPIMAGEBENCH.only("wrn").networks == ("wrn",)
    assert DPIMAGEBENCH.only(None) == DPIMAGEBENCH.only([]) == DPIMAGEBENCH
    with pytest.raises(
        InputError, match=r"no classifier 'wrn' \(dpimagebench has it\); choose among cnn"
    ):
        QUICK.only(["cnn", "wrn"])


def test_the_average_of_weights_follows_the_network():
    slow = dataclasses.replace(TINY, average_decay=0.9999)
    made = fit(striped(96, 0), 3, "cnn", slow, augment="none", seed=0, device=CPU)
    test = striped(150, 99)
    assert (made.probabilities(test.pictures).argmax(1) == test.labels).mean() > 0.8


def test_figures_by_class_and_confusion_are_counted_right():
    labels = np.array([0, 0, 1, 1])
    sure = np.eye(3)[[0, 1, 1, 1]]
    test = Labelled(pictures=np.zeros((4, 1, 28, 28), np.uint8), labels=labels)
    found = compare(contest(test=test), runs(sure, np.eye(3)[labels]), runs(np.eye(3)[labels]))
    assert found.synthetic.accuracy.runs == (0.75, 1.0)
    assert found.synthetic.balanced.runs == (0.75, 1.0)
    assert [each.recall_synthetic for each in found.by_class] == [0.75, 1.0, None]
    assert [each.tested for each in found.by_class] == [2, 2, 0]
    assert found.confusion == ((0.75, 0.25, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))
    assert found.share_of_ceiling == 0.875


def test_calibration_of_honest_and_of_boasting_probabilities():
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.5, 1, 40_000)
    probabilities = np.stack([sure, 1 - sure], 1)
    honest = (generator.random(40_000) > sure).astype(np.int64)
    assert calibration_error(probabilities, honest) < 0.01
    assert max(calibration_by_class(probabilities, honest)) < 0.01
    coins = generator.integers(2, size=40_000)
    assert calibration_error(probabilities, coins) == pytest.approx(0.25, abs=0.01)
    assert sum(each.share for each in reliability(probabilities, coins)) == pytest.approx(1)


def test_every_protocol_is_there_by_its_name():
    assert {name: each.name for name, each in PROTOCOLS.items()} == {
        "quick": "quick", "dpimagebench": "dpimagebench",
    }  # fmt: skip
