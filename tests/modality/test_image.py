import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from safegen.errors import DataError
from safegen.modality.image import ImageModality, fingerprint_pixels, to_bytes
from safegen.schemas.card import PictureShape

GREY = PictureShape(channels=1, height=32, width=32)
samples = st.sampled_from([1, 3]).flatmap(
    lambda channels: arrays(np.float32, (channels, 28, 32), elements=st.floats(0, 1, width=32))
)


@settings(max_examples=25, deadline=None)
@given(samples)
def test_what_is_encoded_is_what_is_decoded(sample):
    modality = ImageModality(GREY)
    assert np.array_equal(modality.decode(modality.encode(sample)), to_bytes(sample))


@pytest.mark.parametrize("cut", [40, 60, 200])
def test_a_truncated_picture_is_refused(cut):
    whole = ImageModality(GREY).encode(
        np.random.default_rng(0).random((1, 32, 32), dtype=np.float32)
    )
    with pytest.raises(DataError, match="not a readable picture"):
        ImageModality(GREY).decode(whole[:-cut])


def test_an_empty_border_does_not_change_the_fingerprint_pixels():
    picture = np.zeros((1, 64, 64), dtype=np.float32)
    picture[0, 16:48, 16:48] = np.random.default_rng(0).random((32, 32)) * 0.8 + 0.2
    shifted = np.roll(picture, 9, axis=2)
    modality = ImageModality(GREY)
    assert fingerprint_pixels(modality.encode(picture)) == fingerprint_pixels(
        modality.encode(shifted)
    )


def test_alpha_is_laid_on_white():
    file = io.BytesIO()
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(file, "PNG")
    assert set(fingerprint_pixels(file.getvalue())) == {255}
