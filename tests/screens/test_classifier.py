"""Networks as screens: they are given what is declared, and what does not fit is refused."""

import dataclasses
import json
import threading

import numpy as np
import pytest
from onnx import helper
from PIL import Image
from pydantic import ValidationError

from safegen.errors import InputError, StorageError
from safegen.schemas.screens import PictureInput
from safegen.screens.bound import bound
from safegen.screens.classifier import Classifier, scored
from safegen.screens.measure import measure
from safegen.screens.pictures import prepared
from safegen.screens.screen import Batch
from tests.screens.networks import (
    SIDE,
    digits,
    network,
    settings,
    trained,
    write_classifier,
    write_with_weights_beside,
)


def batch(pictures):
    return Batch(samples=pictures, requests=())


def classifier(path, **changed):
    return Classifier("seven", path, settings(**changed))


def test_a_classifier_of_digits_tells_sevens_from_others(tmp_path):
    write_classifier(tmp_path / "digits.onnx")
    pictures, labels = digits()
    scores = np.array(classifier(tmp_path / "digits.onnx").measure(batch(pictures)))
    assert scores.shape == (len(pictures),)
    assert ((scores > 0.5) == (labels == 7)).mean() > 0.99
    both = classifier(tmp_path / "digits.onnx", forbidden=("7", "1")).measure(batch(pictures))
    assert (((np.array(both) > 0.5) == np.isin(labels, [1, 7])).mean()) > 0.99


def test_pictures_of_another_size_and_colour_are_what_the_network_takes(tmp_path):
    write_classifier(tmp_path / "digits.onnx")
    pictures, labels = digits()
    large = pictures[:200].repeat(4, axis=2).repeat(4, axis=3).repeat(3, axis=1)
    scores = np.array(classifier(tmp_path / "digits.onnx").measure(batch(large)))
    assert ((scores > 0.5) == (labels[:200] == 7)).mean() > 0.99


def test_a_batch_is_measured_as_its_pictures_one_by_one(tmp_path):
    """Whether rows are any number, or fixed as many exporters do."""
    write_classifier(tmp_path / "any.onnx")
    write_classifier(tmp_path / "seven.onnx", shape=(7, 1, SIDE, SIDE), rows=7)
    pictures = digits()[0][:101]
    screen = classifier(tmp_path / "any.onnx")
    alone = [screen.measure(batch(each[None]))[0] for each in pictures]
    assert screen.measure(batch(pictures)) == pytest.approx(alone, abs=1e-6)
    fixed = classifier(tmp_path / "seven.onnx").measure(batch(pictures))
    assert fixed == pytest.approx(alone, abs=1e-6)


def given(pictures, **wanted):
    return prepared(pictures, PictureInput.model_validate({"size": (2, 2), **wanted}))


def test_colours_layout_and_normalisation_are_as_declared():
    red = np.zeros((1, 3, 2, 2), dtype=np.uint8)
    red[:, 0] = 255
    assert given(red, colours="BGR")[0, :, 0, 0].tolist() == [0, 0, 1]
    assert given(red, colours="grey")[0, :, 0, 0] == pytest.approx([0.299])
    assert given(red, layout="NHWC").shape == (1, 2, 2, 3)
    assert given(red, layout="NHWC")[0, 0, 0].tolist() == [1, 0, 0]
    assert given(red, white=255)[0, :, 0, 0].tolist() == [255, 0, 0]
    normal = given(red, mean=[0.5, 0.25, 0], deviation=[0.5, 0.5, 2])
    assert normal[0, :, 0, 0].tolist() == [1, -0.5, 0]
    grey = np.full((1, 1, 2, 2), 51, dtype=np.uint8)
    assert given(grey)[0, :, 0, 0] == pytest.approx([0.2] * 3)


@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(7, 9), (40, 30)])
def test_resizing_a_batch_is_pillow_s_of_each_picture(kind, size):
    noise = np.random.default_rng(0).integers(0, 256, (3, 1, 16, 24), dtype=np.uint8)
    seen = given(noise, size=size, colours="grey", resize=kind, white=255)
    for one, mine in zip(noise, seen, strict=True):
        wide = Image.fromarray(one[0].astype(np.float32))
        theirs = wide.resize((size[1], size[0]), getattr(Image.Resampling, kind.upper()))
        assert np.abs(np.asarray(theirs).clip(0, 255) - mine[0]).max() < 0.01


def test_logits_become_probabilities_and_calibration_moves_them_in_order():
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 4.0]], dtype=np.float32)
    two = {"labels": ("fine", "bad"), "forbidden": ("bad",)}
    plain = scored(logits, settings(**two))
    assert plain == pytest.approx([1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-4))])
    warm = scored(logits, settings(**two, temperature=2.0))
    assert warm == pytest.approx([1 / (1 + np.exp(1)), 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-2))])
    platt = scored(logits, settings(**two, platt={"slope": 0.5, "intercept": 1.0}))
    assert platt == pytest.approx([0.5, 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-3))])
    sigmoid = scored(logits, settings(labels=("a", "b"), forbidden=("a", "b"), outputs="sigmoid"))
    assert sigmoid == pytest.approx(
        [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-4))]
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"labels": ("a", "b")}, "gives 10 numbers a picture, and 2 labels are declared"),
        (
            {"input": {"size": (9, 9), "colours": "grey"}},
            r"takes \(n, 1, 8, 8\), and \(n, 1, 9, 9\)",
        ),
        ({"input": {"size": (8, 8)}}, r"takes \(n, 1, 8, 8\), and \(n, 3, 8, 8\) is declared"),
        (
            {"input": {"size": (8, 8), "colours": "grey", "layout": "NHWC"}},
            r"takes \(n, 1, 8, 8\), and \(n, 8, 8, 1\) is declared",
        ),
        ({"output": "scores"}, "has no output 'scores'; it has logits"),
        ({"outputs": "probabilities"}, "it should give probabilities, and gives numbers outside"),
    ],
)
def test_a_network_of_another_shape_than_declared_is_refused(tmp_path, wrong, reason):
    write_classifier(tmp_path / "digits.onnx")
    forbidden = ("a",) if "labels" in wrong else ("7",)
    with pytest.raises(InputError, match=reason):
        classifier(tmp_path / "digits.onnx", forbidden=forbidden, **wrong).open()


def test_a_network_that_answers_with_no_number_is_refused(tmp_path):
    weights, biases = trained()
    write_classifier(tmp_path / "nan.onnx", weights=weights, biases=biases * np.float32("nan"))
    with pytest.raises(InputError, match="answers a grey picture with what is no number"):
        classifier(tmp_path / "nan.onnx").open()


def test_what_is_no_network_or_keeps_its_weights_elsewhere_is_refused(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"weights")
    with pytest.raises(InputError, match=r"no\.onnx cannot be opened as an ONNX network"):
        classifier(tmp_path / "no.onnx").open()
    write_with_weights_beside(tmp_path / "two.onnx")
    with pytest.raises(InputError, match="keeps weights in another file, which its digest does"):
        classifier(tmp_path / "two.onnx").open()
    with pytest.raises(StorageError, match="cannot read"):
        classifier(tmp_path / "missing.onnx")


def test_a_file_that_changes_before_it_is_opened_is_refused(tmp_path):
    write_classifier(tmp_path / "digits.onnx")
    screen = classifier(tmp_path / "digits.onnx")
    write_classifier(tmp_path / "digits.onnx", biases=trained()[1] - 1, weights=trained()[0])
    with pytest.raises(InputError, match="is not the file that was declared: its digest is sha256"):
        screen.open()


def test_the_digest_covers_the_file_and_every_setting(tmp_path):
    write_classifier(tmp_path / "one.onnx")
    write_classifier(tmp_path / "other.onnx", weights=-trained()[0], biases=trained()[1])
    digests = {
        classifier(tmp_path / "one.onnx").digest,
        classifier(tmp_path / "other.onnx").digest,
        classifier(tmp_path / "one.onnx", temperature=2.0).digest,
        classifier(tmp_path / "one.onnx", forbidden=("1",)).digest,
        classifier(tmp_path / "one.onnx", platt={"slope": 2.0}).digest,
        classifier(
            tmp_path / "one.onnx", input={"size": (8, 8), "colours": "grey", "white": 255}
        ).digest,
    }
    assert len(digests) == 6
    assert classifier(tmp_path / "one.onnx").digest in digests


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"forbidden": ("8", "weapon")}, "forbidden has weapon, which is none of its labels"),
        ({"labels": ("7", "8", "7")}, "labels has 7 twice"),
        ({"labels": ("7",)}, "softmax over one label is always 1"),
        ({"outputs": "probabilities", "temperature": 2}, "temperature divides logits"),
        ({"input": {"size": (8, 8), "mean": (1, 2)}}, "mean has 2 numbers; give one, or 3 for RGB"),
        ({"platt": {"slope": -1}}, "greater than 0"),
        ({"temperature": 0}, "greater than 0"),
        ({"input": {"size": (8, 0)}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, reason):
    with pytest.raises(ValidationError, match=reason):
        settings(**wrong)


def test_a_network_that_runs_too_long_is_stopped_and_has_failed(tmp_path):
    """A loop of very many multiplications: nothing but the runtime's own stop ends it."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["again"]),
            helper.make_node("MatMul", ["value", "square"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", 7, []),
            helper.make_tensor_value_info("more", 9, []),
            helper.make_tensor_value_info("value", 1, ["n", 10]),
        ],
        [
            helper.make_tensor_value_info("again", 9, []),
            helper.make_tensor_value_info("next", 1, ["n", 10]),
        ],
    )
    model = network()
    nodes, outputs = model.graph.node, model.graph.output
    outputs[0].name = "slow"
    nodes.append(helper.make_node("Loop", ["turns", "yes", "logits"], ["slow"], body=body))
    model.graph.initializer.extend(
        [
            helper.make_tensor("turns", 7, [], [10**12]),
            helper.make_tensor("yes", 9, [], [True]),
            helper.make_tensor("square", 1, [10, 10], np.eye(10).ravel()),
        ]
    )
    (tmp_path / "slow.onnx").write_bytes(model.SerializeToString())
    screen = classifier(tmp_path / "slow.onnx")
    (seen,) = measure([screen], batch(digits()[0][:1]), timeout=0.5)
    assert seen.failures == {"seven": "it took longer than 0.5 seconds"}
    for thread in threading.enumerate():
        if thread.name == "screen seven":
            thread.join(30)
            assert not thread.is_alive()
    with pytest.raises(InputError, match=r"it could not be opened: it took longer than 0\.5 sec"):
        dataclasses.replace(bound(screen), seconds=0.5).open()


def test_settings_are_written_as_json_and_read_back():
    said = settings(platt={"slope": 2.0})
    assert type(said).model_validate_json(json.dumps(said.model_dump(mode="json"))) == said
