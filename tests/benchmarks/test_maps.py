"""Contribution maps against pixel-wise Captum: the same numbers, in which time.

64 outputs of 32 x 32 with 64 latents. Captum follows one pixel at a time: it is timed on a few
pixels of a few outputs, and what all would take is worked out from that.

    pytest tests/benchmarks/test_maps.py -m benchmark -s
"""

import time

import pytest
import torch
from captum.attr import IntegratedGradients

from safegen.explain.explainer import average
from safegen.explain.maps import MAP_STEPS, contribution_maps
from safegen.models.generator import LatentGenerator
from safegen.schemas.config import Architecture

pytestmark = pytest.mark.benchmark

OUTPUTS, SIDE, LATENTS = 64, 32, 64
SAMPLED = (0, 400, 528, 1023)  # pixels
MOST_SECONDS, LEAST_TIMES = 10, 10


def test_maps_of_every_pixel_over_pixel_wise_captum():
    torch.manual_seed(0)
    generator = LatentGenerator(
        Architecture(
            family="vae", channels=1, height=SIDE, width=SIDE, classes=10, latent=LATENTS, base=16,
            components=10, conditional=False,
        )
    ).requires_grad_(requires_grad=False)  # fmt: skip
    generator.prior.means.normal_(std=3)
    draw = generator.draw(torch.arange(OUTPUTS) % 10, 0)
    contribution_maps(generator, draw.rows(slice(0, 1)))  # torch makes itself ready
    started = time.perf_counter()
    maps = contribution_maps(generator, draw)
    ours = time.perf_counter() - started

    captums = IntegratedGradients(lambda *parts: generator.render(*parts).flatten(1))
    base, seconds, farthest = average(generator, draw), 0.0, 0.0
    for row in (0, 63):
        one = slice(row, row + 1)
        for pixel in SAMPLED:
            started = time.perf_counter()
            noise, places = captums.attribute(
                (draw.noise[one], draw.places[one]), (base.noise[one], base.places[one]),
                additional_forward_args=(draw.grain[one],), target=pixel, n_steps=MAP_STEPS,
            )  # fmt: skip
            seconds += time.perf_counter() - started
            theirs = torch.cat([noise[0], places[0].sum()[None]])
            mine = maps.values[row].flatten(1)[:, pixel]
            farthest = max(farthest, float((theirs - mine).abs().max()))
    captum = seconds / 2 / len(SAMPLED) * SIDE**2 * OUTPUTS
    print(
        f"\n{OUTPUTS} outputs of {SIDE} x {SIDE}, {LATENTS} latents, {MAP_STEPS} points: "
        f"{ours:.1f} s; pixel-wise Captum {captum:.0f} s ({captum / ours:.0f} times as long); "
        f"numbers differ by {farthest:.1e} at most; {torch.get_num_threads()} threads"
    )
    assert farthest <= 1e-5
    assert captum >= LEAST_TIMES * ours
    assert ours <= MOST_SECONDS
