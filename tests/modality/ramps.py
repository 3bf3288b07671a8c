"""A kind of data of one's own: short series of numbers, in CSV files with a manifest beside each.

All that a kind consists of: a shape, a modality, networks, samples drawn by code, and a preset.
Nothing of safegen is touched for it.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from safegen.data.dataset import DataSet, digest_of
from safegen.errors import DataError, PlanError, RequestError
from safegen.modality import registry as modalities
from safegen.modality.regions import Regions
from safegen.models import registry as networks
from safegen.privacy.accounting.plan import Share
from safegen.schemas.card import DataCard, NamedShape
from safegen.schemas.config import Architecture, Recipe
from safegen.schemas.explanation import Grid
from safegen.training import pretraining_sources as sources
from safegen.training.presets import registry as presets
from safegen.training.presets.preset import Preset

KIND, LENGTH, PARTS = "ramps", 16, 4
LOW, HIGH = -2.0, 2.0
SHAPE = NamedShape(kind=KIND, sides={"length": LENGTH}, settings={"low": LOW, "high": HIGH})


@dataclass(frozen=True)
class Ramps:
    """Series (1, length), stored as float32 between public bounds, and written in two decimals."""

    shape: NamedShape
    format: str = "csv"

    name: ClassVar[str] = KIND
    one: ClassVar[str] = "ramp"
    many: ClassVar[str] = "ramps"
    quantity: ClassVar[str] = "level"
    formats: ClassVar[tuple[str, ...]] = ("csv",)
    step: ClassVar[float] = 0.01 / (HIGH - LOW)
    fingerprint_algorithm: ClassVar[str | None] = None
    mime: ClassVar[str] = "text/csv"
    suffix: ClassVar[str] = ".csv"
    embeds: ClassVar[bool] = False
    digital_source_type: ClassVar[str] = (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    )

    @classmethod
    def of(cls, shape, format=None):  # noqa: A002 - everybody's word
        if not isinstance(shape, NamedShape) or set(shape.sides) != {"length"}:
            raise DataError(f"{shape} is no shape of ramps")
        if format not in {None, "csv"}:
            raise RequestError(f"no format of ramps {format!r}; choose csv")
        return cls(shape)

    @property
    def dimensions(self):
        return 1, self.shape.sides["length"]

    def in_words(self):
        return f"ramps of {self.shape.sides['length']} values"

    def to_float(self, stored):
        return ((stored - LOW) / (HIGH - LOW)).clip(0, 1)

    def to_stored(self, values):
        return (np.clip(values, 0, 1) * (HIGH - LOW) + LOW).astype(np.float32)

    def encode(self, sample):
        file = io.StringIO(newline="")
        rows = csv.writer(file)
        rows.writerow(["value"])
        rows.writerows([f"{value:.2f}"] for value in self.to_stored(sample)[0])
        return file.getvalue().encode()

    def decode(self, data):
        try:
            head, *values = data.decode().split()
            found = np.array([[float(each) for each in values]], dtype=np.float32)
        except ValueError as error:
            raise DataError("not a readable ramp") from error
        if head != "value" or found.shape != self.dimensions:
            raise DataError("not a readable ramp")
        return found

    @classmethod
    def fingerprint(cls, data, *, to_compare=False):  # noqa: ARG003 - there is none
        return None

    def regions(self):
        weights = np.kron(np.eye(PARTS), np.full(LENGTH // PARTS, PARTS / LENGTH))
        return Regions(grid=Grid(rows=1, columns=PARTS), weights=weights.astype(np.float32))

    def show(self, axes, stored):
        axes.plot(stored[0], color="#1f2430", lw=1)
        axes.set_xlim(-0.5, stored.shape[1] - 0.5)
        axes.set_ylim(LOW, HIGH)


class Decoder(nn.Module):
    def __init__(self, architecture):
        super().__init__()
        self.enter = nn.Linear(architecture.latent, 16)
        self.leave = nn.Linear(16, LENGTH)

    def forward(self, code, _):
        return self.leave(functional.silu(self.enter(code))).view(-1, 1, LENGTH)


class Encoder(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.enter = nn.Linear(LENGTH, 16)
        self.leave = nn.Linear(16, outputs)

    def forward(self, samples, _):
        return self.leave(functional.silu(self.enter(samples.flatten(1))))


NETWORKS = networks.Networks(decoder=Decoder, encoder=lambda _, outputs: Encoder(outputs))


def choose(family, card, epsilon, *, prior="auto", warm_start="auto"):
    if family != "vae":
        raise PlanError("ramps are made by a VAE; choose --model vae")
    return Preset(
        architecture=Architecture(
            family="vae", shape=card.shape, classes=len(card.classes), latent=4, base=1,
            conditional=False, weighted=True,
        ),
        recipe=Recipe(
            learning_rate=3e-3, generator_rate=None, betas=(0.9, 0.999), loss_scale=1.0, beta=0.1,
            average_decay=0.9, generator_rows=0, discriminator_steps=1,
            prior=None if prior == "none" else "lines" if prior == "auto" else prior,
            prior_pictures=4000, prior_epochs=30,
        ),
        expected_batch_size=64, steps=20, clipping_norm=1.0,
        shares=(Share(purpose="latents", share=0.5),),
    )  # fmt: skip


def drawn(count, dimensions, seed):
    """Straight lines from anywhere to anywhere: what is known of ramps before any is looked at."""
    ends = torch.rand(2, count, 1, 1, generator=torch.Generator().manual_seed(seed))
    along = torch.linspace(0, 1, dimensions[1])
    return (ends[0] + (ends[1] - ends[0]) * along) * (HIGH - LOW) + LOW


def register():
    modalities.register(Ramps)
    networks.register(KIND, NETWORKS)
    presets.register(KIND, presets.Presets(choose=choose, priors=("lines",)))
    sources.register("lines", sources.Prior(kind=KIND, words="straight lines", draw=drawn))


def data(count=600, seed=0):
    """Ramps that go up, and ramps that go down."""
    source = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    slopes = source.uniform(0.5, 1.0, count) * np.where(labels == 0, 1, -1)
    ramps = slopes[:, None] * np.linspace(-1, 1, LENGTH) + source.normal(0, 0.1, (count, LENGTH))
    samples = ramps[:, None].astype(np.float32)
    card = DataCard(
        name="prices", source="made up", licence="CC0-1.0", count=count, shape=SHAPE,
        classes=("up", "down"), digest=digest_of(samples, labels), units=count,
    )  # fmt: skip
    return DataSet.of(samples, labels, card)
