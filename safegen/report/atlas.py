"""The page of a model's latents: strips of samples, with everything inside."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from safegen.explain.directions import STRIP_DEVIATIONS
from safegen.report.page import inline, pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.pipeline.atlas import Atlas

SCREEN_PIXELS_A_PIXEL = 3  # screen pixels a pixel
GAP_PIXELS = 2  # pixels between samples of a strip


def render(atlas: Atlas, modality: Modality) -> str:
    """The page; it loads nothing from anywhere."""
    environment = pages()
    environment.filters["strip"] = functools.partial(_strip, modality=modality)
    environment.globals["steps"] = [f"{each:+g}" for each in STRIP_DEVIATIONS]
    environment.globals["named"] = lambda thing: atlas.names.get(thing, "")
    return environment.get_template("atlas.html.j2").render(atlas=atlas)


def _strip(samples: NDArray[np.float32], modality: Modality) -> str:
    """Samples (steps, *dimensions) side by side, as the address of their picture."""
    stored = modality.to_stored(samples)
    if stored.ndim == 4 and stored.shape[1] in {1, 3}:
        return inline(_raster(stored))
    return inline(_drawn(stored, modality))


def _raster(stored: NDArray[np.uint8]) -> bytes:
    count, channels, height, width = stored.shape
    row = np.full(
        (height, count * (width + GAP_PIXELS) - GAP_PIXELS, channels), 128, dtype=np.uint8
    )
    for place, each in enumerate(stored):
        start = place * (width + GAP_PIXELS)
        row[:, start : start + width] = each.transpose(1, 2, 0)
    picture = Image.fromarray(row[..., 0] if channels == 1 else row)
    across, down = picture.size
    file = io.BytesIO()
    picture.resize(
        (across * SCREEN_PIXELS_A_PIXEL, down * SCREEN_PIXELS_A_PIXEL), Image.Resampling.NEAREST
    ).save(file, format="png")
    return file.getvalue()


def _drawn(stored: NDArray[np.uint8], modality: Modality) -> bytes:
    """What is no picture is drawn as its kind of data draws it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.4 * len(stored), 1.2), dpi=80)
    for place, each in enumerate(stored, start=1):
        axes = figure.add_subplot(1, len(stored), place)
        modality.show(axes, each)
        axes.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
