"""What a run tells, and that nobody who listens can end it: a callback, added through the seam."""

import dataclasses
import typing

import pytest

from safegen.errors import BudgetRefused, CallbackWarning
from safegen.privacy.accounting.events import epsilon_of
from safegen.schemas.certificate import PoissonSubsampledGaussian
from safegen.training.events import (
    Callbacks,
    RunRefused,
    StageAdvanced,
    StepTaken,
    TrainingEvent,
    shown_by,
)

STEPS = PoissonSubsampledGaussian(sampling_probability=0.1, noise_multiplier=2.0, count=30)
STEP = StepTaken(step=30, steps=40, spent=(STEPS,), delta=1e-4)
STAGE = StageAdvanced(stage="planning", done=0, total=1)


def broken(event):
    raise ValueError("the dashboard is gone")


def test_everybody_is_told_of_everything():
    first, second = [], []
    callbacks = Callbacks([first.append, second.append])
    for event in (STAGE, STEP):
        callbacks(event)
    assert first == second == [STAGE, STEP]


def test_a_callback_that_raises_is_named_once_and_the_others_go_on():
    heard = []
    callbacks = Callbacks([broken, heard.append])
    with pytest.warns(CallbackWarning, match=r"broken raised ValueError at StageAdvanced.*is gone"):
        callbacks(STAGE)
    callbacks(STEP)  # a second warning would be an error here
    assert heard == [STAGE, STEP]


def test_a_callback_can_be_interrupted():
    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Callbacks([interrupt])(STEP)


def test_a_step_tells_epsilon_so_far():
    exact = epsilon_of([STEPS], 1e-4)
    assert exact <= STEP.epsilon <= exact + 0.02


def test_a_refusal_is_told_and_still_raised():
    heard = []
    callbacks = Callbacks([heard.append])
    with pytest.raises(BudgetRefused), callbacks.refusals():
        raise BudgetRefused("no budget is left")
    assert heard == [RunRefused(reason="no budget is left")]


def test_the_terminal_is_one_who_listens():
    told = []
    show = shown_by(lambda *call: told.append(call))
    for event in (STAGE, STEP, RunRefused(reason="so")):
        show(event)
    assert told == [("planning", 0, 1), ("training", 30, 40)]


@pytest.mark.parametrize("kind", typing.get_args(TrainingEvent))
def test_events_are_frozen_and_hold_public_values_only(kind):
    """Numbers, words and what a certificate lists: no tensor, no loss, no function."""
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    allowed = {"int", "float", "str", "tuple[Event, ...]"}
    assert {field.type for field in dataclasses.fields(kind)} <= allowed
    assert not {field.name for field in dataclasses.fields(kind)} & {"loss", "losses", "drawn"}
