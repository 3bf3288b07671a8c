"""A torch module as a screen: what it says, and what it is known by."""

import numpy as np
import pytest
import torch

from safegen.errors import InputError
from safegen.screens.classifier import Classifier
from safegen.screens.measure import measure
from safegen.screens.screen import Batch
from safegen.screens.torch_classifier import TorchClassifier
from tests.screens.networks import SIDE, digits, settings, trained, write_classifier


def module():
    weights, biases = trained()
    linear = torch.nn.Linear(SIDE * SIDE, 10)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights.T))
        linear.bias.copy_(torch.from_numpy(biases))
    return torch.nn.Sequential(torch.nn.Flatten(), linear)


def test_a_module_says_what_the_same_network_says_as_onnx(tmp_path):
    write_classifier(tmp_path / "digits.onnx")
    pictures = Batch(samples=digits()[0][:300], requests=())
    exported = Classifier("seven", tmp_path / "digits.onnx", settings()).measure(pictures)
    (*seen,) = measure([TorchClassifier("seven", module(), settings())], pictures)
    assert [each.scores["seven"] for each in seen] == pytest.approx(exported, abs=1e-5)


def test_its_digest_covers_tensors_structure_and_settings():
    screen = TorchClassifier("seven", module(), settings())
    again = TorchClassifier("seven", module(), settings())
    assert screen.digest == again.digest
    assert TorchClassifier("seven", module(), settings(temperature=2.0)).digest != screen.digest
    dropped = torch.nn.Sequential(*module(), torch.nn.Dropout(0.5))
    assert TorchClassifier("seven", dropped, settings()).digest != screen.digest
    before = screen.digest
    with torch.no_grad():
        screen._module[1].bias[0] += np.float32(0.01)
    assert screen.digest != before


def test_a_module_that_answers_otherwise_than_declared_is_refused():
    with pytest.raises(InputError, match="module Sequential gives 10 numbers a picture, and 2 la"):
        TorchClassifier("seven", module(), settings(labels=("a", "b"), forbidden=("a",)))


def test_it_is_used_in_evaluation_mode():
    dropped = torch.nn.Sequential(torch.nn.Dropout(0.5), *module()).train()
    screen = TorchClassifier("seven", dropped, settings())
    pictures = Batch(samples=digits()[0][:50], requests=())
    assert screen.measure(pictures) == screen.measure(pictures)
