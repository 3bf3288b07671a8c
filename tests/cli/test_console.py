"""What a log gets where bars cannot be drawn."""

from safegen.cli import console


def told(capsys, monkeypatch, steps):
    """The lines of a stage of 4 whose n-th step came at the n-th of these seconds."""
    monkeypatch.setattr(console.err, "_force_terminal", False)
    clock = iter(steps)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.Bars() as bars:
        for done in range(len(steps)):
            bars("training", min(done, 4), 4)
    return capsys.readouterr().err.splitlines()


def test_a_log_gets_a_line_when_a_stage_is_done(capsys, monkeypatch):
    assert told(capsys, monkeypatch, [0, 1, 2, 3, 4]) == ["training: 4 of 4"]


def test_and_one_a_minute_while_it_goes_on(capsys, monkeypatch):
    assert told(capsys, monkeypatch, [0, 59, 60, 119, 121, 122]) == [
        "training: 2 of 4", "training: 4 of 4",
    ]  # fmt: skip


def test_nothing_where_nobody_asked(capsys):
    with console.Bars(quiet=True) as bars:
        bars("training", 4, 4)
    assert capsys.readouterr().err == ""
