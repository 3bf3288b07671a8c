"""An old name says its new one, and every new one is there."""

import importlib
import importlib.util

import pytest

from safegen.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_says_the_new_one_which_is_there(old, new):
    with pytest.raises(ModuleNotFoundError, match=rf"import safegen\.{new} instead"):
        importlib.import_module(f"safegen.{old}")
    assert importlib.util.find_spec(f"safegen.{new}") is not None


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_says_the_new_one_also_where_it_is_taken_from_its_room(old, new):
    room, _, module = f"safegen.{old}".rpartition(".")
    with pytest.raises(ModuleNotFoundError, match=rf"import safegen\.{new} instead"):
        exec(f"from {room} import {module}", {})


def test_what_never_was_is_not_said_to_have_moved():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'safegen\.nothing'"):
        importlib.import_module("safegen.nothing")
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from safegen.pipeline import nothing", {})
