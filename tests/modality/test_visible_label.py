"""A label can be read in every picture that carries it, or is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.errors import RequestError
from safegen.modality.base import labelling_of
from safegen.modality.image import ImageModality
from safegen.modality.visible_label import chosen, contrast_in, draw, luminance, planned
from safegen.schemas.card import PictureShape
from safegen.schemas.label import LabelDocument

POSITIONS = ["top-left", "top", "top-right", "bottom-left", "bottom", "bottom-right"]


def picture(side, kind, channels=1):
    random = np.random.default_rng(0)
    across = np.broadcast_to(np.linspace(0, 1, side), (channels, side, side))
    made = {
        "black": np.zeros((channels, side, side)),
        "white": np.ones((channels, side, side)),
        "grey": np.full((channels, side, side), 0.46),
        "noise": random.random((channels, side, side)),
        "ramp": across,
    }
    return made[kind].astype(np.float32)


def stored(sample):
    return np.floor(np.clip(sample, 0, 1) * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("kind", ["black", "white", "grey", "noise", "ramp"])
@pytest.mark.parametrize("side", [28, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_stands_out_from_whatever_was_generated(side, kind, channels):
    sample = picture(side, kind, channels)
    label = planned(LabelDocument(), side, side)
    assert label.height >= 7
    assert label.share >= 0.05
    own = chosen(sample, label)
    made = draw(sample, own)
    assert contrast_in(stored(made), own) >= 4.5
    assert made.shape == sample.shape
    rows, columns = np.nonzero((made != sample).any(0))
    assert rows.min() > side / 2  # in its corner, and nowhere else
    assert columns.min() > side / 3


def test_what_is_dark_enough_needs_no_plate_and_what_is_not_gets_one():
    label = planned(LabelDocument(), 28, 28)
    assert not chosen(picture(28, "black"), label).plate
    assert chosen(picture(28, "black"), label).colour == "white"
    assert chosen(picture(28, "white"), label).colour == "black"
    assert chosen(picture(28, "noise"), label).plate
    assert chosen(picture(28, "grey"), label, least=7).plate


@pytest.mark.parametrize("position", POSITIONS)
def test_each_position_is_its_own(position):
    wanted = LabelDocument(position=position)
    made = draw(picture(64, "black"), chosen(picture(64, "black"), planned(wanted, 64, 64)))
    rows, columns = (float(each.mean()) for each in np.nonzero(made[0]))
    vertical, _, horizontal = position.partition("-")
    assert (rows < 32) == (vertical == "top")
    assert {"left": columns < 25, "right": columns > 39, "": 25 < columns < 39}[horizontal]


@pytest.mark.parametrize(
    ("wanted", "side", "words"),
    [
        ({"share": 0.1}, 28, "3 pixels high, and cannot be read below 7: ask for a share of 0.25"),
        ({"text": "made by a machine"}, 28, "97 pixels wide and .* and the picture 28 and 28"),
        ({}, 12, "would cover .* a picture so small cannot carry it"),
        ({}, 6, "pixels wide"),
        ({"text": "AI生成"}, 128, "生, for which the font of labels .* has no shape"),
        ({"share": 1.0}, 64, "pixels wide"),
    ],
)
def test_what_could_not_be_read_is_refused_with_a_reason(wanted, side, words):
    with pytest.raises(RequestError, match=words) as refused:
        planned(LabelDocument(**wanted), side, side)
    assert "\n" not in str(refused.value)


@given(st.floats(0.25, 0.35), st.sampled_from(POSITIONS), st.integers(28, 80), st.integers(28, 80))
def test_capitals_are_as_high_as_was_asked(share, position, width, height):
    wanted = LabelDocument(share=share, position=position)
    label = planned(wanted, width, height)
    assert label.share >= share - 1e-6
    made = draw(np.zeros((1, height, width)), chosen(np.zeros((1, height, width)), label))
    rows, _ = np.nonzero(made[0] > 0.5)
    assert abs(rows.max() - rows.min() + 1 - label.height) <= 1


def test_contrast_is_that_of_wcag():
    """Its own examples: white on black is 21, #767676 on white is the darkest grey below 4.6."""
    grey = luminance(np.full((3, 1), 0x76 / 255))[0]
    assert 1.05 / (grey + 0.05) == pytest.approx(4.54, abs=0.01)
    label = planned(LabelDocument(), 28, 28)
    own = chosen(picture(28, "black"), label)
    made = stored(draw(picture(28, "black"), own))
    assert contrast_in(made, own) == pytest.approx(21)
    faded = (made // 4).astype(np.uint8)
    assert contrast_in(faded, own) < 3


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "tiff", "avif", "gif"])
def test_every_format_keeps_it_readable(name):
    modality = ImageModality(PictureShape(channels=1, height=28, width=28), name)
    labelling = labelling_of(modality)
    sample = picture(28, "noise")
    made, own = labelling.with_label(sample, labelling.plan_label(LabelDocument()), 4.5)
    kept = modality.decode(modality.encode(made))
    assert labelling.label_contrast(kept[:1], own) >= 4.5
    assert (labelling.with_label_again(sample, own) == made).all()


def test_what_a_stranger_says_of_a_label_cannot_ask_for_all_the_memory():
    label = planned(LabelDocument(), 28, 28).model_copy(update={"height": 10**6})
    with pytest.raises(RequestError, match="a label of 1000000 pixels is none for"):
        draw(picture(28, "black"), label)
