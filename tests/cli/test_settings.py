"""Options are made of configurations: one description, one default, nothing given ignored."""

import dataclasses
import inspect
from typing import Annotated

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from safegen.cli.commands import COMMANDS, GROUPS, build
from safegen.cli.options import EXECUTION, LOADING, PRIVACY, TRAINING, WORKSPACE
from safegen.cli.settings import Settings, given_in, texts_of, with_settings
from safegen.config.privacy import PrivacyConfig
from safegen.option import NoOption, Spelled

ALL = {"train": (PRIVACY, TRAINING, EXECUTION, WORKSPACE, LOADING)}


def command(name):
    return get_command(build()).commands[name]


@pytest.mark.parametrize("settings", ALL["train"], ids=lambda each: each.panel)
def test_every_field_is_an_option_with_its_text_and_its_default(settings):
    options = {each.name: each for each in command("train").params}
    for name in settings.names():
        assert options[name].help == texts_of(settings.of)[name]
        assert options[name].default == inspect.signature(settings.of).parameters[name].default


def test_what_is_a_list_can_be_repeated():
    option = next(each for each in command("evaluate").params if each.name == "networks")
    assert option.multiple
    assert option.help.endswith("all by default. Repeatable.")


def test_only_what_must_not_be_typed_is_no_option():
    fields = {each.name for each in dataclasses.fields(PrivacyConfig)}
    assert fields - set(PRIVACY.names()) == {"unsafe_seeded_noise"}


def test_options_of_0_1_keep_their_spelling():
    spelled = {option for each in command("train").params for option in each.opts}
    assert {
        "--out", "--model", "--epsilon", "--delta", "--steps", "--batch", "--noise-multiplier",
        "--data-root", "--size", "--groups", "--records-per-group", "--download", "--seed",
        "--device", "--mode", "--micro-batch", "--precision", "--canaries", "--prior",
        "--warm-start", "--resume", "--keys", "--ledger", "--budget", "--time-stamps",
    } <= spelled  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Soup:
    """A soup.

    Attributes:
        salt: how much; pinches.
        spice: what of.
        secret: nobody types it.
    """

    salt: int = 2
    spice: Annotated[str | None, Spelled("--with", value="SPICE")] = None
    secret: Annotated[int, NoOption()] = 7


def kitchen(*, only=None):
    app = typer.Typer()
    soup = Settings(Soup, "Soup", only=only)

    @app.command()
    @with_settings(soup=soup)
    def cook(context: typer.Context, dish: str, *, soup: Soup, hot: bool = False) -> None:
        print(dish, soup, hot, given_in(context, Settings(Soup, "Soup", only=only)))

    return app


def cooked(*typed, only=None):
    done = CliRunner().invoke(kitchen(only=only), typed)
    return done.exit_code, done.output


def test_a_command_receives_the_configuration_that_was_typed():
    assert cooked("pot")[1].startswith("pot Soup(salt=2, spice=None, secret=7) False []")
    code, said = cooked("pot", "--salt", "3", "--with", "dill", "--hot")
    assert (code, said.strip()) == (
        0,
        "pot Soup(salt=3, spice='dill', secret=7) True ['--salt', '--with']",
    )


def test_what_a_command_leaves_out_cannot_be_typed():
    assert cooked("pot", "--secret", "1")[0] == 2
    assert cooked("pot", "--with", "dill", only=("salt",))[0] == 2


def shown(*typed):
    done = CliRunner().invoke(build(), [*typed, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_cuts_nothing(name):
    lines = shown(name).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("panel", ["Data", "Privacy", "Training", "Speed and memory", "Workspace"])
def test_help_of_train_has_a_panel_for_each_sort(panel):
    assert f"─ {panel} ─" in shown("train")


def test_every_option_of_every_command_is_described():
    app = get_command(build())
    commands = [app.commands[name] for name in COMMANDS]
    commands += [each for name in GROUPS for each in app.commands[name].commands.values()]
    for each in commands:
        for option in each.params:
            assert option.help, (each.name, option.name)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["p", "--epsilon", "3"], "--epsilon would change nothing in a package that is there"),
        (["p", "--model", "gan", "--steps", "3"], "--model, --steps would change nothing"),
        (["p", "--held-out", "x"], "--held-out says nothing without records in --data"),
        (["p", "--size", "32"], "--size says nothing without records in --data"),
        (["--data", "digits", "--trust", "x"], "--trust says nothing without a package"),
        ([], "nothing to audit"),
    ],
)
def test_an_audit_ignores_nothing(typed, words):
    done = CliRunner().invoke(build(), ["audit", *typed])
    assert words in str(done.exception)
