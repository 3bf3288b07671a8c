"""Faults that a good developer could make, outside the engine: each is refused before a grant.

Every fault is planted into the code of the product, and a run in miniature goes through it. What
finds it is told beside it:

    steps      records to a step's clipped sum: too far, or others are moved
    reach      a statistic moves by more than is stated
    mixing     a unit moves what others add to a statistic
    noise      what a release adds is not what was planned, or comes again
    leak       something that the run leaves depends on the records
    certify    what ran is not what was planned
    checkpoint it would hold what none may
    stream     a secret stream does not give its state away
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
import zlib

import numpy as np
import pytest
import torch

from safegen.errors import PlanError, SafegenError
from safegen.models.generator import one_hot
from safegen.pipeline.train import course
from safegen.pipeline.train.dry_run import REFUSAL_P_VALUE, examined_run, rehearse_run
from safegen.pipeline.train.miniature import miniature
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism import release
from safegen.privacy.mechanism.engine import PrivateEngine
from safegen.privacy.mechanism.noise import secure_generator
from safegen.privacy.mechanism.release import Mechanism
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import Vectors
from safegen.schemas.config import Architecture, Recipe
from safegen.training.events import Callbacks
from safegen.training.loop import Training
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.releases import fitting

PURPOSES = {"basis": 1, "classes": 1, "judge": 30, "latents": 1, "components": 2, "grain": 1}


def small(family="vae", unit="record", execution=None, **changes):
    """A small run with all six releases."""
    architecture = Architecture(
        family=family, channels=1, height=28, width=28, classes=3, latent=6, base=4,
        components=2, conditional=False, weighted=True, grain=True, judged=True,
    )  # fmt: skip
    recipe = Recipe(
        learning_rate=1e-3, generator_rate=1e-4 if family == "gan" else None, betas=(0.9, 0.99),
        loss_scale=20.0, beta=0.4, average_decay=0.98, discriminator_steps=1, prior="leaves",
        generator_rows=64 if family == "gan" else 0, warm_start="moments",
    ).model_copy(update=changes)  # fmt: skip
    plan = PrivacyPlan(
        epsilon=8.0, delta=1e-5, units=900, expected_batch_size=100, steps=50, clipping_norm=1.0,
        noise_multiplier=1.5, unit=unit, records_per_unit=3 if unit == "group" else 1,
        releases=tuple(
            DpRelease(purpose=purpose, noise_multiplier=2.0 + number, count=count)
            for number, (purpose, count) in enumerate(PURPOSES.items())
        ),
    )  # fmt: skip
    return miniature(plan, architecture, recipe, execution or Execution(), torch.device("cpu"))


def doubted(made):
    """What finds something in a run, by the words above."""
    try:
        with warnings.catch_warnings():  # of nobody's mean, among others
            warnings.simplefilter("ignore")
            found = examined_run(made)
    except SafegenError as refused:
        ways = {
            "not what was planned": "certify", "was asked for": "certify",
            "nothing that a checkpoint holds": "checkpoint", "state of a secret stream": "stream",
        }  # fmt: skip
        return {way for words, way in ways.items() if words in str(refused)} or {str(refused)}
    ways = {
        "depends on the records": "leak", "clipping norms": "steps", "what others add": "mixing",
        "stated sensitivities": "reach", "noise": "noise",
    }  # fmt: skip
    doubts = [each.what for each in found if not each.p_value >= REFUSAL_P_VALUE]
    return {next(way for words, way in ways.items() if words in what) for what in doubts}


@pytest.mark.parametrize(("family", "unit"), [("vae", "record"), ("gan", "group")])
def test_a_sound_run_passes(family, unit):
    rehearse_run(small(family, unit))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "unit"), [("vae", "group"), ("gan", "record")])
def test_a_sound_run_passes_by_the_other_unit(family, unit):
    rehearse_run(small(family, unit))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gan", {"r1": 1.0}),
        ("gan", {"prior": None}),
        ("vae", {"prior": None}),
        ("vae", {"execution": Execution(micro_batch=4)}),
        ("vae", {"execution": Execution(precision="bf16")}),
    ],
)
def test_a_sound_run_of_another_sort_passes(family, changes):
    rehearse_run(small(family, **changes))


def rows(records):
    return records._held


def wrapped(patch, owner, name, make):
    """Put a fault around a function."""
    patch.setattr(owner, name, make(getattr(owner, name)))


def batch_of(change):
    """A VAE's batch of pictures that somebody changed first."""

    def plant(patch):
        wrapped(patch, VaeObjective, "batch", lambda whole: (
            lambda self, pictures, labels: whole(self, change(self, pictures), labels)
        ))  # fmt: skip

    return plant


def class_weights_counted(patch):
    def make(whole):
        def fit(codes, releases, *, classes, **rest):
            found = whole(codes, releases, classes=classes, **rest)
            counts = np.bincount(codes._held.labels, minlength=classes)
            return dataclasses.replace(found, weights=counts / max(counts.sum(), 1))

        return fit

    wrapped(patch, fitting, "fit_mixture", make)


def radius_from_the_codes(patch):
    def make(whole):
        def fit(codes, releases, *, radius, **rest):
            norms = np.linalg.norm(codes._held.values, axis=1)
            return whole(codes, releases, radius=float(norms.max(initial=radius / 10)), **rest)

        return fit

    wrapped(patch, fitting, "fit_mixture", make)


def noise_stream_in_the_checkpoint(patch):
    def make(whole):
        def tensors(self):
            key = self.engine._optimizer._noise.bit_generator.state["s"]["seed"]
            return whole(self) | {"noise/key": torch.tensor(np.asarray(key).view(np.int64))}

        return tensors

    wrapped(patch, Training, "tensors", make)


def noise_among_the_weights(patch):
    """What is drawn next, under a name that a checkpoint knows."""

    def make(whole):
        def tensors(self):
            drawn = self.engine._optimizer._noise.standard_normal(4)
            return whole(self) | {"start/noise": torch.from_numpy(drawn)}

        return tensors

    wrapped(patch, Training, "tensors", make)


def sampling_stream_in_the_checkpoint(patch):
    def make(whole):
        def tensors(self):
            drawn = self.engine._sampler._generator.bit_generator.random_raw()
            return whole(self) | {"draws/stream": torch.tensor(drawn >> 1)}

        return tensors

    wrapped(patch, Training, "tensors", make)


def of_the_drawn(patch, act):
    """Do something with a step's batch that nobody else may know of."""

    def make(whole):
        def learn(self, records, batch, losses):
            def told(pictures, labels):
                parts = batch(pictures, labels)
                if len(pictures):
                    with torch.no_grad():
                        act(self, float(losses(self._network, *parts).mean()), pictures)
                return parts

            return whole(self, records, told, losses)

        return learn

    wrapped(patch, PrivateEngine, "learn", make)


def the_loss_is_logged(patch):
    patch.setattr(logging.getLogger("safegen.training"), "disabled", False)
    of_the_drawn(
        patch, lambda _, loss, __: logging.getLogger("safegen.training").info("loss %.4f", loss)
    )


def the_loss_in_an_event(patch):
    told = []
    of_the_drawn(patch, lambda _, loss, __: told.append(loss))

    def make(whole):
        def run(self, records, releases, *, keep=None, callbacks):
            def telling(event):
                callbacks(event)
                loss = told[-1] if told else 0
                callbacks.progress(f"training, loss {loss:.3f}", 1, 1)

            return whole(self, records, releases, keep=keep, callbacks=Callbacks([telling]))

        return run

    wrapped(patch, Training, "run", make)


def the_loss_is_printed(patch):
    of_the_drawn(patch, lambda _, loss, __: print(f"loss {loss:.4f}"))


def a_warning_names_the_loss(patch):
    of_the_drawn(patch, lambda _, loss, __: warnings.warn(f"loss {loss:.4f}", stacklevel=1))


def early_stopping(patch):
    """No further step once the loss of a batch is low."""
    seen = {}
    of_the_drawn(patch, lambda engine, loss, _: seen.__setitem__(id(engine), loss))

    def make(whole):
        def step(self, records, factor):
            if seen.get(id(self.engine), 1e9) * self._recipe.loss_scale > 500:
                whole(self, records, factor)

        return step

    wrapped(patch, Training, "_step", make)


def steps_by_the_rarest_class(patch):
    def make(whole):
        def run(self, records, *rest):
            counts = np.bincount(rows(records).labels, minlength=3)
            self._plan = dataclasses.replace(self._plan, steps=min(2, 1 + int(counts.min())))
            return whole(self, records, *rest)

        return run

    wrapped(patch, Training, "_run", make)


def empty_batches_are_skipped(patch):
    def make(whole):
        def learn(self, records, batch, losses):
            if len(rows(records).labels) > 1:  # nobody was drawn
                whole(self, records, batch, losses)

        return learn

    wrapped(patch, PrivateEngine, "learn", make)


def divided_by_the_drawn_batch(patch):
    def make(whole):
        def learn(self, records, batch, losses):
            self._optimizer.expected_batch_size = max(1, len(rows(records).labels))
            whole(self, records, batch, losses)

        return learn

    wrapped(patch, PrivateEngine, "learn", make)


def mean_over_the_drawn(patch):
    """The loss is a mean, as everywhere else."""
    wrapped(
        patch, VaeObjective, "losses",
        lambda whole: lambda self, network, *parts: (
            30 * whole(self, network, *parts) / max(1, int(parts[0].flatten(1).any(1).sum()))
        ),
    )  # fmt: skip


def loss_scale_from_the_records(patch):
    def make(whole):
        def prepare(self, records, releases):
            shade = rows(records).stored.float().mean() / 255
            scale = float(5 + 100 * shade)
            self._recipe = self._recipe.model_copy(update={"loss_scale": scale})
            whole(self, records, releases)

        return prepare

    wrapped(patch, VaeObjective, "prepare", make)


def beta_from_the_records(patch):
    """A preset that the data choose, and the package tells."""
    wrapped(patch, course, "training_of", lambda whole: (
        lambda facts, data, *rest, **options: whole(_with_beta(facts, data), data, *rest, **options)
    ))  # fmt: skip


def _with_beta(facts, data):
    beta = 0.2 if rows(data.records).stored.float().mean() > 50 else 0.4
    facts.recipe.__dict__["beta"] = beta
    return facts


def seed_from_the_digest(patch):
    def make(whole):
        def made(facts, data, *rest, **options):
            seed = zlib.crc32(data.card.digest.encode())
            return whole(facts.model_copy(update={"seed": seed}), data, *rest, **options)

        return made

    wrapped(patch, course, "training_of", make)


def only_classes_that_occur(patch):
    def make(whole):
        def fit(codes, releases, *, classes, **rest):
            found = whole(codes, releases, classes=classes, **rest)
            there = np.isin(np.arange(classes), codes._held.labels)
            return dataclasses.replace(found, weights=found.weights * there)

        return fit

    wrapped(patch, fitting, "fit_mixture", make)


def codes_are_cached(patch):
    """So that a resumed run need not encode them again."""
    kept = {}

    def make_batch(whole):
        def batch(self, pictures, labels):
            if len(pictures):
                kept[id(self)] = pictures.mean(dim=(1, 2, 3))
            return whole(self, pictures, labels)

        return batch

    wrapped(patch, VaeObjective, "batch", make_batch)
    wrapped(patch, VaeObjective, "state", lambda whole: (
        lambda self: whole(self) | ({"codes": kept[id(self)]} if id(self) in kept else {})
    ))  # fmt: skip


def the_best_of_several(patch):
    """Of three contrasts, the one that comes nearest to the records."""

    def make(whole):
        def finish(self, average, records, releases):
            made = whole(self, average, records, releases)
            shade = float(rows(records).stored.float().mean()) / 255
            best = min((0.0, 0.5, 1.0), key=lambda each: abs(each - shade))
            made.prior.means += best
            return made

        return finish

    wrapped(patch, VaeObjective, "finish", make)


def outliers_are_dropped(patch):
    def make(whole):
        def fit(codes, releases, **rest):
            held = codes._held
            norms = np.linalg.norm(held.values - held.values.mean(axis=0), axis=1)
            kept = norms <= 1.1 * np.median(norms)
            groups = None if held.groups is None else held.groups[kept]
            codes._held = Vectors(values=held.values[kept], labels=held.labels[kept], groups=groups)
            return whole(codes, releases, **rest)

        return fit

    wrapped(patch, fitting, "fit_mixture", make)


def codes_are_centred(patch):
    wrapped(patch, fitting, "fit_mixture", lambda whole: (
        lambda codes, releases, **rest: whole(
            codes.mapped(lambda values: values - values.mean(axis=0)), releases, **rest
        )
    ))  # fmt: skip


def as_many_as_are_there(patch):
    """The number of records in hand, where the plan's public one belongs."""

    def make(whole):
        def spectrum(energies, shape, releases):
            releases.units = max(1, len(energies._held.labels))
            return whole(energies, shape, releases)

        return spectrum

    wrapped(patch, fitting, "fit_spectrum", make)


def a_mechanism_of_ones_own(patch):
    """A noisy count that no plan knows of."""

    def make(whole):
        def finish(self, average, records, releases):
            made = whole(self, average, records, releases)
            mechanism = Mechanism(name="brightness", radius=1.0, noise_multiplier=1.0)
            shown = rows(records).stored.flatten(1).double().numpy() / 255
            made.prior.means += float(release.total(shown[:, :1], mechanism)[0][0])
            return made

        return finish

    wrapped(patch, VaeObjective, "finish", make)


def a_judges_view_from_the_records(patch):
    def make(whole):
        def fit(records, classes, releases, *, reference):
            shown = rows(records).stored
            return whole(
                records, classes, releases, reference=shown if len(shown) > 1 else reference
            )

        return fit

    wrapped(patch, fitting, "fit_judge", make)


def half_the_noise(patch):
    wrapped(patch, Releases, "_mechanism", lambda whole: (
        lambda self, *asked: dataclasses.replace(
            whole(self, *asked), noise_multiplier=whole_noise(self, asked[0]) / 2
        )
    ))  # fmt: skip


def whole_noise(releases, purpose):
    return releases._plan.release(purpose).noise_multiplier


def the_same_noise_in_every_run(patch):
    patch.setattr(Mechanism, "_stream", lambda *_: secure_generator(7))


def a_sensitivity_too_small(patch):
    patch.setattr(release, "MOMENTS", 1.0)


def unclipped(patch):
    patch.setattr(release, "within", lambda vectors, radius: vectors / radius)


def groups_count_by_record(patch):
    patch.setattr(Mechanism, "weights", lambda _, records: np.ones(records))


def a_release_is_forgotten(patch):
    patch.setattr(fitting, "_add_grain", lambda *_: None)


def a_release_is_made_twice(patch):
    def make(whole):
        def spectrum(*asked):
            whole(*asked)
            return whole(*asked)

        return spectrum

    wrapped(patch, fitting, "fit_spectrum", make)


def by_the_brightest_pixel(patch):
    batch_of(lambda _, shown: shown / shown.max() if shown.any() else shown)(patch)


def by_the_mean(patch):
    batch_of(lambda _, shown: (shown - shown.mean(0) + 0.5).clamp(0, 1))(patch)


def augmented_by_the_spread(patch):
    def change(self, shown):
        drawn = torch.from_numpy(
            self._secret.standard_normal((len(shown), 1, 28, 28), dtype=np.float32)
        )
        return (shown + shown.std().nan_to_num() * drawn).clamp(0, 1)

    batch_of(change)(patch)


def labels_as_often_as_among_records(patch):
    """A GAN's generated rows have the labels of the records beside them."""

    def make(whole):
        def batch(self, pictures, labels):
            shown, onehot, signs = whole(self, pictures, labels)
            made = torch.arange(len(shown) - len(pictures))
            if len(labels):
                places = made % len(labels)
                onehot[len(pictures) :] = one_hot(labels[places], self._architecture.classes)
            return shown, onehot, signs

        return batch

    wrapped(patch, GanObjective, "batch", make)


CERTIFIED = {  # with every defence green, before
    class_weights_counted: {"leak"},
    radius_from_the_codes: {"leak", "mixing"},
    by_the_brightest_pixel: {"steps"},
    noise_stream_in_the_checkpoint: {"stream"},
    noise_among_the_weights: {"leak"},
}
MORE = {
    sampling_stream_in_the_checkpoint: {"checkpoint"},
    by_the_mean: {"steps"},
    augmented_by_the_spread: {"steps"},
    mean_over_the_drawn: {"steps"},
    the_loss_is_logged: {"leak"},
    the_loss_in_an_event: {"leak"},
    the_loss_is_printed: {"leak"},
    a_warning_names_the_loss: {"leak"},
    early_stopping: {"leak"},
    steps_by_the_rarest_class: {"leak"},
    empty_batches_are_skipped: {"leak"},
    divided_by_the_drawn_batch: {"leak"},
    loss_scale_from_the_records: {"mixing"},
    beta_from_the_records: {"leak"},
    only_classes_that_occur: {"leak"},
    codes_are_cached: {"checkpoint"},
    the_best_of_several: {"leak"},
    outliers_are_dropped: {"mixing"},
    codes_are_centred: {"reach", "mixing"},
    as_many_as_are_there: {"leak"},
    a_mechanism_of_ones_own: {"leak"},
    a_judges_view_from_the_records: {"leak", "mixing"},
    half_the_noise: {"noise"},
    the_same_noise_in_every_run: {"noise"},
    a_sensitivity_too_small: {"reach"},
    unclipped: {"reach"},
    a_release_is_forgotten: {"certify"},
    a_release_is_made_twice: {"certify"},
}
ELSEWHERE = [
    (groups_count_by_record, "vae", "group", {"reach"}),
    (by_the_brightest_pixel, "vae", "group", {"steps"}),
    (class_weights_counted, "vae", "group", {"leak"}),
    (class_weights_counted, "gan", "record", {"leak"}),
    (noise_among_the_weights, "gan", "record", {"leak"}),
    (labels_as_often_as_among_records, "gan", "record", {"steps"}),
    (seed_from_the_digest, "gan", "record", {"leak"}),
    (divided_by_the_drawn_batch, "gan", "record", {"leak"}),
]


@pytest.mark.parametrize("fault", CERTIFIED, ids=lambda fault: fault.__name__)
def test_a_fault_that_was_certified_once_is_found(monkeypatch, fault):
    fault(monkeypatch)
    assert CERTIFIED[fault] <= doubted(small())


@pytest.mark.slow
@pytest.mark.parametrize("fault", MORE, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(monkeypatch, fault):
    fault(monkeypatch)
    assert MORE[fault] <= doubted(small())


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "family", "unit", "ways"), ELSEWHERE)
def test_a_fault_in_another_sort_of_run_is_found(monkeypatch, fault, family, unit, ways):
    fault(monkeypatch)
    assert ways <= doubted(small(family, unit))


def test_a_leak_is_refused_in_a_sentence_that_names_it(monkeypatch):
    class_weights_counted(monkeypatch)
    with pytest.raises(PlanError, match=r"weights: prior\.weights.*nothing was spent"):
        rehearse_run(small())


def test_batch_norm_is_refused_by_name():
    """The engine itself takes no such network."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    plan = small().plan
    with pytest.raises(PlanError, match="mixes the records of a batch"):
        PrivateEngine(network, plan, torch.optim.SGD(network.parameters()))
