"""A constant says what it is of, and its unit: those of one word are counted, and only shrink."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "safegen"
ONE_WORD = 358  # constants of one word; lower it with each that is renamed


def one_word(text):
    """Constants of a module whose name is one word."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        names = [each.id for target in targets for each in ast.walk(target) if hasattr(each, "id")]
        found |= {name for name in names if name.isupper() and "_" not in name.strip("_")}
    return {name for name in found if len(name) > 1}


def test_constants_of_one_word_only_become_fewer():
    assert sum(len(one_word(path.read_text())) for path in ROOT.rglob("*.py")) == ONE_WORD


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MOST = 3", {"MOST"}),
        ("_MOST: int = 3", {"_MOST"}),
        ("LEFT, RIGHT = 1, 2", {"LEFT", "RIGHT"}),
        ("MAX_BYTES = 3", set()),
        ("T = 3\nmost = 3", set()),
        ("def most():\n    MOST = 3", set()),
    ],
)
def test_what_is_counted(text, found):
    assert one_word(text) == found
