"""What a log gets where bars cannot be drawn."""

from safegen.cli.console import Bars, _Lines


def told(capsys, seconds, stage="training", total=4):
    """The lines of a stage whose n-th step came at the n-th of these seconds."""
    clock = iter(seconds)
    lines = _Lines(clock=lambda: next(clock))
    for done in range(len(seconds)):
        lines.tell(stage, min(done, total), total)
    return capsys.readouterr().err.splitlines()


def test_a_log_gets_a_line_when_a_stage_is_done(capsys):
    with Bars() as bars:
        for done in range(5):
            bars("training", done, 4)
    assert capsys.readouterr().err.splitlines() == ["training: 4 of 4"]


def test_and_one_a_minute_while_it_goes_on(capsys):
    assert told(capsys, [0, 59, 60, 119, 121, 122]) == ["training: 2 of 4", "training: 4 of 4"]


def test_a_stage_that_is_done_at_once_is_told_once(capsys):
    with Bars() as bars:
        for _ in range(2):
            bars("another data set", 1, 1)
    assert capsys.readouterr().err.splitlines() == ["another data set: done"]


def test_a_stage_that_comes_again_is_told_again(capsys):
    with Bars() as bars:
        for done in (1, 2, 1, 2):
            bars("sampling", done, 2)
    assert capsys.readouterr().err.splitlines() == ["sampling: 2 of 2"] * 2


def test_nothing_where_nobody_asked(capsys):
    with Bars(quiet=True) as bars:
        bars("training", 0, 4)
        bars("training", 4, 4)
    assert capsys.readouterr().err == ""
