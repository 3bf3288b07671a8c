"""What platforms and people do to a picture: each way makes a file without a manifest."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter


def encoded(picture, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _scaled(factor):
    def scale(picture):
        return encoded(picture.resize([round(side * factor) for side in picture.size]))

    return scale


def _cropped(picture):
    left, upper = (round(side / 20) for side in picture.size)
    return encoded(picture.crop((left, upper, picture.width - left, picture.height - upper)))


def _noisy(picture):
    pixels = np.asarray(picture).astype(float)
    drawn = np.random.default_rng(0).normal(0, 5, pixels.shape)
    return encoded(Image.fromarray(np.clip(pixels + drawn, 0, 255).astype(np.uint8)))


def _shot(picture):
    larger = picture.resize([round(side * 1.5) for side in picture.size])
    return encoded(larger.convert("RGB"), "JPEG", quality=85)


WAYS = {
    "PNG without a manifest": encoded,
    "JPEG, quality 90": lambda picture: encoded(picture, "JPEG", quality=90),
    "JPEG, quality 75": lambda picture: encoded(picture, "JPEG", quality=75),
    "JPEG, quality 50": lambda picture: encoded(picture, "JPEG", quality=50),
    "WebP, quality 80": lambda picture: encoded(picture, "WEBP", quality=80),
    "half the size": _scaled(0.5),
    "twice the size": _scaled(2),
    "a screenshot (1.5 times, JPEG 85)": _shot,
    "brightness by 1.2": lambda picture: encoded(ImageEnhance.Brightness(picture).enhance(1.2)),
    "contrast by 1.2": lambda picture: encoded(ImageEnhance.Contrast(picture).enhance(1.2)),
    "blur of 1 pixel": lambda picture: encoded(picture.filter(ImageFilter.GaussianBlur(1))),
    "noise of 5 grey values": _noisy,
    "a crop of 10%": _cropped,
    "turned by 2 degrees": lambda picture: encoded(picture.rotate(2, Image.Resampling.BICUBIC)),
}
