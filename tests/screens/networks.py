"""Small real networks as ONNX files: a classifier of digits, and others with a fault each."""

import functools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from safegen.schemas.canonical import sha256
from safegen.schemas.screens import ClassifierSettings

LABELS = tuple("0123456789")
SIDE = 8


@functools.cache
def digits():
    """Grey pictures of 8 x 8 pixels, (n, 1, 8, 8), uint8, and their labels (n,)."""
    found = load_digits()
    return (found.images * (255 / 16)).round().astype(np.uint8)[:, None], found.target


@functools.cache
def trained():
    """Weights (64, 10) and biases (10,) of a logistic regression on values in [0, 1]."""
    pictures, labels = digits()
    fitted = LogisticRegression(max_iter=400).fit(pictures.reshape(len(pictures), -1) / 255, labels)
    return fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32)


def network(shape=("n", 1, SIDE, SIDE), weights=None, biases=None, rows="n", extra=()):
    """A linear network: logits of flattened pictures."""
    if weights is None:
        weights, biases = trained()
    return helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Flatten", ["pictures"], ["flat"]),
                helper.make_node("MatMul", ["flat", "weights"], ["product"]),
                helper.make_node("Add", ["product", "biases"], ["logits"]),
                *extra,
            ],
            "digits",
            [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, len(biases)])],
            [
                numpy_helper.from_array(weights, "weights"),
                numpy_helper.from_array(biases, "biases"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def write_classifier(path, **changed):
    """Write a network; returns the digest of its file."""
    path.write_bytes(network(**changed).SerializeToString())
    return sha256(path.read_bytes())


def write_with_weights_beside(path):
    """The same, with its weights in another file."""
    onnx.save_model(
        network(), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return sha256(path.read_bytes())


def settings(**changed):
    """Of a screen that forbids sevens."""
    said = {
        "input": {"size": (SIDE, SIDE), "colours": "grey"},
        "labels": LABELS,
        "forbidden": ("7",),
    }
    return ClassifierSettings.model_validate(said | changed)
