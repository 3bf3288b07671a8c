"""A callback, added through the seam alone: it hears a whole run, and cannot end it."""

import json

import pytest

import safegen
from safegen.errors import CallbackWarning, PlanError
from safegen.training.events import (
    CheckpointWritten,
    ReleaseMade,
    RunFinished,
    RunRefused,
    RunStarted,
    StageAdvanced,
    StepTaken,
)

STEPS = 25  # more than one checkpoint


class Dashboard:
    """Keeps what it hears, as whoever watches runs would."""

    def __init__(self):
        self.heard = []

    def __call__(self, event):
        self.heard.append(event)

    def all(self, kind):
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
def train(made, tmp_path):
    house = safegen.Workspace(
        keys=made.keys, ledger=tmp_path / "ledger.db", budget=str(tmp_path / "budget.db")
    )

    def run(*callbacks, batch=None):
        return safegen.train(
            "digits",
            out=tmp_path / "run",
            training=safegen.TrainingConfig(
                steps=STEPS, expected_batch_size=batch, pretraining="none"
            ),
            workspace=house,
            callbacks=callbacks,
        )

    return run


def broken(event):
    if isinstance(event, StepTaken):
        raise ConnectionError("no route to the dashboard")


def test_a_run_is_heard_from_its_start_to_its_end_whoever_else_breaks(train):
    board = Dashboard()
    with pytest.warns(CallbackWarning, match="broken raised ConnectionError at StepTaken") as told:
        model = train(broken, board)
    assert len([each for each in told if each.category is CallbackWarning]) == 1
    certificate = model.certificate
    (started,), (finished,) = board.all(RunStarted), board.all(RunFinished)
    assert (started.steps, started.steps_before) == (STEPS, 0)
    assert [event.step for event in board.all(StepTaken)] == list(range(1, STEPS + 1))
    assert [event.step for event in board.all(CheckpointWritten)] == [0, 20, STEPS]
    purposes = [event.purpose for event in board.all(ReleaseMade)]
    assert "latents" in purposes
    assert sum(event.count for event in board.all(ReleaseMade)[-1].spent) == sum(
        event.count for event in certificate.events
    )
    assert (finished.epsilon, finished.steps) == (certificate.epsilon, STEPS)
    assert board.heard.index(started) < board.heard.index(board.all(StepTaken)[0])
    assert board.heard[-1] == finished or isinstance(board.heard[-1], StageAdvanced)
    spent = [board.all(StepTaken)[number].epsilon for number in (0, -1)]
    assert 0 < spent[0] < spent[1] <= certificate.epsilon + 0.02


def test_a_refused_run_says_so(train):
    board = Dashboard()
    with pytest.raises(PlanError) as refused:
        train(board, batch=5000)  # of 1,797 records
    assert board.all(RunRefused) == [RunRefused(reason=str(refused.value))]
    assert not board.all(RunStarted)


def test_events_can_be_written_down(train, tmp_path):
    """As lines of JSON, say: everything in them is a plain value."""
    import dataclasses

    lines = []

    def write(event):
        told = dataclasses.asdict(event)
        told.pop("spent", None)
        lines.append(json.dumps({"event": type(event).__name__} | told))

    train(write)
    assert len(lines) > STEPS
