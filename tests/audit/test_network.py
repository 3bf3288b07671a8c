"""Faults that small probes do not see, planted into the engine on the networks that train."""

import numpy as np
import pytest
import torch

from safegen.audit import network
from safegen.audit.network import Rehearsal
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.clipping import bookkeeping
from safegen.privacy.clipping.bookkeeping import BookKeeping
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import Settings
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.opacus_bridge import NoisyOptimizer
from safegen.schemas.card import DataCard, PictureShape
from safegen.training.loop import Training
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset

CARD = DataCard(
    name="pictures", source="", licence="", count=2000, units=2000, digest="sha256:00",
    shape=PictureShape(channels=1, height=28, width=28), classes=("a", "b", "c"),
)  # fmt: skip
FAMILIES = {"vae": VaeObjective, "gan": GanObjective}


def rehearsal(family="vae", units=16, settings=None, **changes):
    fields = {
        "epsilon": 8.0, "delta": 1e-5, "units": 2000, "expected_batch_size": 200, "steps": 100,
        "clipping_norm": 0.7, "noise_multiplier": 1.3,
    }  # fmt: skip
    plan = PrivacyPlan(**(fields | changes))
    chosen = preset(family, CARD, 8.0, prior="none")
    recipe = chosen.recipe.model_copy(update={"generator_rows": 24 if family == "gan" else 0})
    training = Training(
        FAMILIES[family](chosen.architecture, recipe),
        plan,
        recipe,
        groups=np.arange(2000) if plan.unit == "group" else None,
        settings=settings or Settings(canaries=Canaries(100)),
    )
    draw, parts = training.made_up((1, 28, 28), units)
    return Rehearsal(
        engine=training.engine,
        draw=draw,
        parts=parts,
        losses=training.losses,
        records=plan.records_per_unit,
        clipping_norm=plan.clipping_norm,
    )


def noise_doubted(**options):
    """Names of what is in doubt, twice."""
    found = [
        {each.what for each in network.noise(rehearsal(**options)) if not each.sound}
        for _ in range(2)
    ]
    return found[0] & found[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "execution",
    [
        Execution(),
        Execution(mode="hooks"),
        Execution(mode="ghost"),
        Execution(micro_batch=5),
        Execution(precision="bf16"),
    ],
)
def test_a_sound_engine_passes(family, execution):
    settings = Settings(execution=execution)
    assert network.reach(rehearsal(family, settings=settings)).sound
    assert not noise_doubted(family=family, settings=settings)


def test_groups_pass():
    assert network.reach(rehearsal(unit="group", records_per_unit=3)).sound


def test_more_units_than_a_chunk_pass():
    assert network.reach(rehearsal(units=514), loudness=(100.0,)).sound


CLIPPED = BookKeeping.clipped_sum


def clipped_by_layer(patch):
    whole = bookkeeping._clipped_chunk
    patch.setattr(
        bookkeeping,
        "_clipped_chunk",
        lambda pairs, norm, part, records, scratch: (
            item for pair in pairs for item in whole([pair], norm, part, records, scratch)
        ),
    )


def without_biases(patch):
    for kind, rule in list(bookkeeping.RULES.items()):

        def weights_only(layer, seen, slopes, records, scratch, rule=rule):
            sums = rule(layer, seen, slopes, records, scratch)
            if getattr(layer, "bias", None) is None:
                return sums
            shift = slopes.reshape(len(slopes), slopes.shape[1], -1).sum(2)
            return type(sums)(
                squares=(sums.squares - shift.square().sum(1)).clamp(min=0), weigh=sums.weigh
            )

        patch.setitem(bookkeeping.RULES, kind, weights_only)


def drawn_rows_unclipped(patch):
    def loose(self, losses, norm, *, rows, records):
        return CLIPPED(self, losses, 1e9 if rows else norm, rows=rows, records=records)

    patch.setattr(BookKeeping, "clipped_sum", loose)


def soft(patch):
    """Only norms ten times too large are clipped."""
    patch.setattr(
        BookKeeping,
        "clipped_sum",
        lambda self, losses, norm, **layout: CLIPPED(self, losses, 10 * norm, **layout),
    )


def twice(patch):
    """Every row counts twice."""

    def doubled(self, losses, norm, **layout):
        return {p: 2 * summed for p, summed in CLIPPED(self, losses, norm, **layout).items()}

    patch.setattr(BookKeeping, "clipped_sum", doubled)


def later_chunks_unclipped(patch):
    whole = bookkeeping._clipped_chunk
    patch.setattr(
        bookkeeping,
        "_clipped_chunk",
        lambda pairs, norm, part, *rest: whole(pairs, 1e9 if part.start else norm, part, *rest),
    )


@pytest.mark.parametrize(
    ("plant", "units"),
    [
        (clipped_by_layer, 16),
        (without_biases, 16),
        (drawn_rows_unclipped, 16),
        (soft, 16),
        (twice, 16),
        (later_chunks_unclipped, 514),
    ],
)
def test_a_unit_that_reaches_too_far_is_found(monkeypatch, plant, units):
    plant(monkeypatch)
    found = network.reach(rehearsal(units=units))
    assert not found.sound, found


NOISE = Lattice.noise


def on_the_last_parameter_only(patch):
    def noise(self, count, generator):
        drawn = NOISE(self, count, generator)
        drawn[:-100] = 0
        return drawn

    patch.setattr(Lattice, "noise", noise)


def the_same_in_every_step(patch):
    kept = {}
    patch.setattr(
        Lattice,
        "noise",
        lambda self, count, generator: kept.setdefault(count, NOISE(self, count, generator)),
    )


def made_over(patch, change):
    def noise(self, count, generator):
        drawn = NOISE(self, count, generator)
        change(drawn)
        return drawn

    patch.setattr(Lattice, "noise", noise)


def in_pairs(patch):
    def change(drawn):
        drawn[1::2] = drawn[: len(drawn) // 2 * 2 : 2][: len(drawn[1::2])]

    made_over(patch, change)


def the_second_half_as_the_first(patch):
    def change(drawn):
        drawn[len(drawn) // 2 :] = drawn[: len(drawn) - len(drawn) // 2]

    made_over(patch, change)


def the_second_half_with_its_sign_turned(patch):
    def change(drawn):
        drawn[len(drawn) // 2 :] = -drawn[: len(drawn) - len(drawn) // 2]

    made_over(patch, change)


def the_second_half_backwards(patch):
    def change(drawn):
        drawn[len(drawn) // 2 :] = drawn[: len(drawn) - len(drawn) // 2][::-1]

    made_over(patch, change)


def one_small_layer_as_another(patch):
    def change(drawn):
        drawn[20_000:20_032] = drawn[5_000:5_032]

    made_over(patch, change)


def half_of_it_from_three_steps_before(patch):
    """As from a stream that goes back: mixed with fresh noise, and of the right deviation."""
    told = []

    def change(drawn):
        told.append(drawn.copy())
        if len(told) > 3 and len(told[-4]) == len(drawn):
            drawn[:] = np.rint((drawn + told[-4]) / np.sqrt(2))

    made_over(patch, change)


def on_empty_batches_only(patch):
    add = NoisyOptimizer.add_noise

    def only_empty(self):
        full = any(bool(p.summed_grad.any()) for p in self.params)
        with pytest.MonkeyPatch.context() as inner:
            if full:
                inner.setattr(Lattice, "noise", lambda *arguments: 0 * NOISE(*arguments))
            add(self)

    patch.setattr(NoisyOptimizer, "add_noise", only_empty)


def too_quiet_in_one_layer(patch):
    def noise(self, count, generator):
        drawn = NOISE(self, count, generator)
        drawn[:200] //= 2
        return drawn

    patch.setattr(Lattice, "noise", noise)


ANYWHERE = "likeness of the network's noise to itself at any distance"
TWICE = "that occur twice in the network's noise"
PLANTED = [
    (on_the_last_parameter_only, "least likely parameter"),
    (on_the_last_parameter_only, "distance from a Gaussian"),
    (too_quiet_in_one_layer, "least likely parameter"),
    (on_empty_batches_only, "least likely parameter"),
    (the_same_in_every_step, ANYWHERE),
    (in_pairs, ANYWHERE),
    (the_second_half_as_the_first, ANYWHERE),
    (the_second_half_with_its_sign_turned, ANYWHERE),
    (half_of_it_from_three_steps_before, ANYWHERE),
    (the_second_half_backwards, "read backwards"),
    (one_small_layer_as_another, TWICE),
    (the_second_half_with_its_sign_turned, TWICE),
]
SURE = 1e-6  # the level at which training refuses


@pytest.mark.parametrize(("plant", "names"), PLANTED)
def test_noise_that_is_not_as_planned_is_found(monkeypatch, plant, names):
    plant(monkeypatch)
    found = {each.what for each in network.noise(rehearsal()) if each.p_value < SURE}
    assert any(names in what for what in found), found


def test_no_look_at_the_noise_is_without_a_fault_that_it_finds():
    looks = {each.what for each in network.noise(rehearsal())}
    assert all(any(names in what for _, names in PLANTED) for what in looks), looks


def test_sums_that_are_no_numbers_are_refused(monkeypatch):
    made = rehearsal()
    monkeypatch.setattr(network, "_sum", lambda *_, **__: torch.tensor([float("nan")]))
    assert network.reach(made).p_value == 0
    monkeypatch.setattr(network, "_residue", lambda _: [np.full(300, np.nan), np.full(9, np.nan)])
    assert {each.p_value for each in network.noise(made)} == {0.0}


@pytest.mark.rehearses
def test_training_refuses_such_an_engine_before_anything_is_spent(made, tmp_path, monkeypatch):
    import safegen
    from safegen.errors import PlanError
    from safegen.privacy.accounting.budget import Budget

    clipped_by_layer(monkeypatch)
    with pytest.raises(PlanError, match="nothing was spent"):
        safegen.train(
            "digits", out=tmp_path / "model", steps=5, keys=made.keys, size=28, prior="none",
            ledger=tmp_path / "ledger.db", budget=str(tmp_path / "budget.db"),
        )  # fmt: skip
    assert Budget(str(tmp_path / "budget.db")).accounts() == ()
    assert not (tmp_path / "model").exists()


def test_the_network_is_the_one_that_trains():
    made = rehearsal("gan")
    sums = made.engine.clipped_sums(made.draw, made.parts, made.losses)
    assert set(sums) == set(made.engine.network.parameters())
    assert all(isinstance(summed, torch.Tensor) for summed in sums.values())
