"""A data set of any kind of data, from samples as the kind stores them."""

import numpy as np
import pytest

from safegen.data.dataset import DataSet, digest_of, side_of
from safegen.errors import DataError
from safegen.schemas.card import DataCard, NamedShape, PictureShape

GREY = PictureShape(channels=1, height=28, width=28)
SAMPLES = np.arange(4 * 784, dtype=np.uint64).astype(np.uint8).reshape(4, 1, 28, 28)
LABELS = np.array([0, 1, 0, 1])


def card(shape=GREY, classes=("a", "b")):
    return DataCard(
        name="scans", source="made up", licence="none", count=4, shape=shape, classes=classes,
        digest=digest_of(SAMPLES, LABELS), units=4,
    )  # fmt: skip


def test_samples_labels_and_card_make_a_data_set():
    data = DataSet.of(SAMPLES, LABELS, card())
    assert np.array_equal(data.images, SAMPLES)
    assert data.labels.dtype == np.int64
    assert len(data) == 4


@pytest.mark.parametrize(
    ("samples", "labels", "said", "why"),
    [
        (SAMPLES[:0], LABELS[:0], card(), "scans holds no pictures"),
        (SAMPLES[..., :27], LABELS, card(), r"dimensions \(1, 28, 27\), and its card says"),
        (SAMPLES, LABELS[:3], card(), "scans has 4 pictures and 3 labels; they must pair"),
        (SAMPLES, LABELS, card(classes=("a",)), r"labels outside 0\.\.0"),
        (SAMPLES * np.nan, LABELS, card(), "values that are NaN or infinite"),
        (SAMPLES * 2.0, LABELS, card(), "that training would see outside of 0 to 1"),
        (SAMPLES, LABELS, card(NamedShape(kind="odd", sides={"x": 1})), "no kind of data"),
    ],
)
def test_what_does_not_fit_is_refused(samples, labels, said, why):
    with pytest.raises(DataError, match=why):
        DataSet.of(samples, labels, said)


def test_only_a_square_picture_has_a_size_to_ask_for():
    assert side_of(GREY) == 28
    assert side_of(PictureShape(channels=1, height=28, width=32)) is None
    assert side_of(NamedShape(kind="odd", sides={"height": 28, "width": 28})) is None
