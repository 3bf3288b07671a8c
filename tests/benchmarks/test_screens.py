"""What screening costs: `pytest tests/benchmarks/test_screens.py -m benchmark -s`."""

import functools
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from safegen.modality.registry import modality_of
from safegen.schemas.card import PictureShape
from safegen.schemas.screens import ClassifierSettings
from safegen.screens.classifier import Classifier
from safegen.screens.measure import measure
from safegen.screens.ready.diversity import Diversity
from safegen.screens.ready.duplicates import NearestDistance
from safegen.screens.screen import Batch

pytestmark = pytest.mark.benchmark
COUNT = 1_000
ROUNDS = 3


def convolutional(path):
    """Two convolutions and a linear layer, as small detectors have them."""
    source = np.random.default_rng(0)
    shapes = {"first": (16, 3, 3, 3), "second": (32, 16, 3, 3), "last": (32, 2)}
    weights = [
        numpy_helper.from_array(source.normal(0, 0.1, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    half = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["pictures", "first"], ["a"], **half),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], **half),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "last"], ["logits"]),
    ]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "detector", [pictures], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def seconds(work):
    """The quickest of a few rounds: other programs only make it slower."""
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found)


def thousand():
    samples = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 64, 64), dtype=np.uint8)
    modality = modality_of(PictureShape(channels=3, height=64, width=64))
    whole = Batch(samples=samples, requests=(), modality=modality)
    alone = [Batch(samples=one[None], requests=(), modality=modality) for one in samples]
    return whole, alone


def test_a_thousand_pictures_are_classified_in_batches(tmp_path):
    convolutional(tmp_path / "detector.onnx")
    settings = ClassifierSettings(
        input={"size": (32, 32)}, labels=("fine", "bad"), forbidden=("bad",)
    )
    screen = Classifier("bad", tmp_path / "detector.onnx", settings)
    screen.open()
    whole, alone = thousand()
    together = seconds(lambda: measure([screen], whole))
    apart = seconds(lambda: [measure([screen], each) for each in alone])
    print(f"\nclassifier, {COUNT:,} pictures of 64 x 64: {together:.3f} s in batches, "
          f"{apart / together:.1f} times as long one by one")  # fmt: skip
    assert apart > 1.5 * together


def test_a_thousand_pictures_are_compared_with_each_other():
    whole, _ = thousand()
    for screen in (NearestDistance(), Diversity()):
        taken = seconds(functools.partial(measure, [screen], whole))
        print(f"\n{screen.name}, {COUNT:,} pictures of 64 x 64: {taken:.3f} s")
        (first, *_) = measure([screen], whole)
        assert first.scores[screen.name] > 0.2
