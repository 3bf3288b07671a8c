"""What happens to pictures on their way: the distortions that marks are tested under, by Pillow.

None of them is what the extractor is trained with (`safegen.marks.distortions` imitates them by
differentiable means), so that a test under these is a test.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

    Distortion = Callable[[Image.Image, np.random.Generator], Image.Image]

CUBIC = Image.Resampling.BICUBIC


def saved(format: str, **options: Any) -> Distortion:  # noqa: A002, ANN401 - Pillow's own words
    """Written in a format and read again."""

    def distort(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, format, **options)
        return Image.open(file).convert(picture.mode)

    return distort


def resized(factor: float) -> Distortion:
    """Enlarged or made smaller, and left so."""

    def distort(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        width, height = picture.size
        return picture.resize(
            (max(1, round(width * factor)), max(1, round(height * factor))), CUBIC
        )

    return distort


def cropped(share: float) -> Distortion:
    """A share of width and height cut away, somewhere."""

    def distort(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = picture.size
        less_wide, less_high = round(width * share), round(height * share)
        left, top = int(rng.integers(less_wide + 1)), int(rng.integers(less_high + 1))
        return picture.crop((left, top, width - less_wide + left, height - less_high + top))

    return distort


def turned(degrees: float) -> Distortion:
    """Turned about its centre, its corners black."""
    return lambda picture, _: picture.rotate(degrees, CUBIC)


def enhanced(what: Callable[[Image.Image], ImageEnhance._Enhance], factor: float) -> Distortion:
    """Brightness, contrast or sharpness changed by a factor."""
    return lambda picture, _: what(picture).enhance(factor)


def gamma(exponent: float) -> Distortion:
    """Each value raised to a power."""
    table = [round(255 * (value / 255) ** exponent) for value in range(256)]
    return lambda picture, _: picture.point(table * len(picture.getbands()))


def blurred(radius: float) -> Distortion:
    """Gaussian blur; the radius is its standard deviation in pixels."""
    return lambda picture, _: picture.filter(ImageFilter.GaussianBlur(radius))


def noisy(deviation: float) -> Distortion:
    """Gaussian noise, of a standard deviation of 256 levels' units."""

    def distort(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        values = np.asarray(picture).astype(np.float64)
        values += rng.normal(0, deviation, values.shape)
        return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))

    return distort


def palette(colours: int) -> Distortion:
    """As few colours as a GIF may have, or fewer."""
    return lambda picture, _: picture.quantize(colours).convert(picture.mode)


def chained(*steps: Distortion) -> Distortion:
    """One after another."""

    def distort(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        for step in steps:
            picture = step(picture, rng)
        return picture

    return distort


CORE: dict[str, Distortion] = {  # fourteen; aims and published figures are means over these
    "JPEG 90": saved("JPEG", quality=90),
    "JPEG 75": saved("JPEG", quality=75),
    "JPEG 50": saved("JPEG", quality=50),
    "WebP 75": saved("WEBP", quality=75),
    "resize 0.5": resized(0.5),
    "resize 2": resized(2),
    "crop 5%": cropped(0.05),
    "crop 10%": cropped(0.1),
    "rotate 2 degrees": turned(2),
    "brightness 1.3": enhanced(ImageEnhance.Brightness, 1.3),
    "contrast 1.3": enhanced(ImageEnhance.Contrast, 1.3),
    "noise 5": noisy(5),
    "blur 0.7": blurred(0.7),
    "screenshot": chained(resized(1.7), saved("JPEG", quality=85)),
}
MORE: dict[str, Distortion] = {
    "flip": lambda picture, _: ImageOps.mirror(picture),
    "gamma 1.4": gamma(1.4),
    "sharpen 2": enhanced(ImageEnhance.Sharpness, 2),
    "palette 64": palette(64),
    "WebP 90, JPEG 80, PNG": chained(saved("WEBP", quality=90), saved("JPEG", quality=80)),
    "resize 1.5, JPEG 75, resize 0.75": chained(
        resized(1.5), saved("JPEG", quality=75), resized(0.75)
    ),
}
DISTORTIONS = CORE | MORE
