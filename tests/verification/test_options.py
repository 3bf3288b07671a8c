"""Options of a verification are said once, and mean the same in each way in."""

import dataclasses
import typing

import pytest

import safegen
from safegen.errors import InputError
from safegen.verification.options import Choices, VerificationOptions


def test_type_checkers_know_every_option():
    options = {each.name: each.type for each in dataclasses.fields(VerificationOptions)}
    assert Choices.__annotations__.keys() == options.keys()
    assert {k: v.__forward_arg__ for k, v in Choices.__annotations__.items()} == options
    assert set(typing.get_type_hints(safegen.verify)) >= {"file", "name", "options"}


def test_options_together_and_one_by_one_are_the_same(made):
    path = made.outputs / "0001.png"
    options = VerificationOptions(trust=made.root, ledger=made.ledger)
    one_by_one = safegen.verify(path, trust=made.root, ledger=made.ledger)
    assert one_by_one.state == "trusted"
    assert safegen.verify(path, options=options) == one_by_one
    assert safegen.verify_tree([path], options=options) == (one_by_one,)
    alone = safegen.verify(path, options=options, trust=None)
    assert alone.state == "valid"  # what is given by itself comes first


def test_an_option_of_the_wrong_type_is_told():
    for give in (lambda: VerificationOptions(strict="yes"), lambda: safegen.verify("a", strict=3)):
        with pytest.raises(InputError, match=r"strict is .*; give True or False"):
            give()
    with pytest.raises(InputError, match="trust is 5; give a path or several"):
        safegen.verify_tree(["a"], trust=5)


def test_an_option_that_is_not_there_is_told(made):
    with pytest.raises(TypeError, match="trsut"):
        safegen.verify(made.outputs / "0001.png", trsut=made.root)
