"""A constant says what it is of, and its unit: those of one word only become rarer."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "safegen"
MAX_ONE_WORD_SHARE = 0.435  # of all constants; lower it with those that are renamed


def constants(text):
    """Names in capitals that a module gives a value."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        names = [each.id for target in targets for each in ast.walk(target) if hasattr(each, "id")]
        found |= {name for name in names if name.isupper() and len(name) > 1}
    return found


def one_word(text):
    """Constants of a module whose name is one word."""
    return {name for name in constants(text) if "_" not in name.strip("_")}


def test_constants_of_one_word_only_become_rarer():
    texts = [path.read_text() for path in ROOT.rglob("*.py")]
    short, every = (sum(len(find(text)) for text in texts) for find in (one_word, constants))
    assert short / every <= MAX_ONE_WORD_SHARE, (short, every)


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
