"""Names that no font has, and names that one has."""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

from safegen.explain import lettering as room
from safegen.explain.figure import draw
from safegen.explain.lettering import BUNDLED_FONT, MAX_NAME_LETTERS, lettering, shown
from safegen.modality.image import ImageModality
from safegen.schemas.card import PictureShape
from safegen.schemas.explanation import Explanation

NOWHERE, OURS = "漢字", "王"  # matplotlib's own fonts have none of these letters
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "explanation.json"

PICTURES = ImageModality(PictureShape(channels=1, height=8, width=8))


@pytest.fixture(scope="module")
def explanation():
    return Explanation.model_validate_json(GOLDEN.read_bytes())


@pytest.fixture
def bare(monkeypatch):
    """A machine without other fonts than matplotlib's own; to be called when one is added."""

    def clear():
        for each in (room._family_for, room._families, room._face):
            each.cache_clear()

    manager = font_manager.fontManager
    own = [each for each in manager.ttflist if mpl.get_data_path() in str(each.fname)]
    with monkeypatch.context() as patch:
        patch.setattr(manager, "ttflist", own)
        clear()
        yield clear
    clear()


@pytest.fixture
def own_font(tmp_path, bare):
    """An installed font with one letter, a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(point)
    pen.closePath()
    empty = TTGlyphPen(None).glyph()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "letter", "blank"])
    font.setupCharacterMap({ord(OURS): "letter", ord(OURS) + 1: "blank"})
    font.setupGlyf({".notdef": empty, "letter": pen.glyph(), "blank": empty})
    font.setupHorizontalMetrics(dict.fromkeys((".notdef", "letter", "blank"), (800, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Ours", "styleName": "Regular"})
    font.setupOS2(usWeightClass=400)
    font.setupPost()
    font.save(tmp_path / "ours.ttf")
    font_manager.fontManager.addfont(tmp_path / "ours.ttf")
    bare()


def title(explanation, text):
    """The strip of the picture that the title is drawn in."""
    numbers = np.linspace(-1, 1, 16 * 17, dtype=np.float32).reshape(16, 17)
    data = draw(np.zeros((1, 8, 8), dtype=np.uint8), PICTURES, explanation, numbers, text)
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("L"))[:40]


@pytest.mark.parametrize("name", ["7", "T-shirt/top", "café", "Ελλάδα", "مرحبا", "שלום", "$x^2$"])
def test_what_the_own_font_has_is_drawn_as_it_is(name):
    assert shown(name, 3) == name
    assert lettering(name) == (name, (BUNDLED_FONT,))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NOWHERE, r"label 3 (\u6f22\u5b57)"),
        ("🐋", r"label 3 (\U0001f40b)"),
        (f"a {NOWHERE[0]}", r"label 3 (a \u6f22)"),
        ("evil\u202egnp", r"label 3 (evil\u202egnp)"),
        ("two\nlines", r"label 3 (two\u000alines)"),
        ("two\u2028lines", r"label 3 (two\u2028lines)"),
        ("", ""),
    ],
)
def test_what_no_font_has_is_escaped_beside_its_number(name, expected, bare):
    assert shown(name, 3) == expected


def test_a_long_name_is_cut():
    assert shown("x" * 300, 3) == f"label 3 ({'x' * MAX_NAME_LETTERS}...)"
    assert shown(NOWHERE * 50, 3).endswith("...)")
    assert len(shown(NOWHERE * 50, 3)) < MAX_NAME_LETTERS + 20


def test_names_that_no_font_has_are_told_apart_in_the_picture(explanation, bare):
    """As boxes, two names of as many letters would be one; and nothing warns of missing letters."""
    first, second = (
        title(explanation, f"a.png: {shown(name, 3)}") for name in (NOWHERE, NOWHERE[::-1])
    )
    assert not np.array_equal(first, second)


def test_a_name_from_right_to_left_does_not_turn_the_title_around(explanation, bare):
    """What comes first stands first, whatever comes after it."""
    first, second = (title(explanation, f"مرحبا.png: {name}, by x") for name in ("abc", "klm"))
    assert np.array_equal(first[:, 20:50], second[:, 20:50])
    assert first[:, 20:50].min() < 60
    assert not np.array_equal(first, second)


def test_an_installed_font_is_used_where_the_own_one_has_no_letter(explanation, own_font, caplog):
    assert lettering(f"a {OURS}") == (f"a {OURS}", (BUNDLED_FONT, "Ours"))
    assert shown(OURS, 3) == OURS
    box = title(explanation, f"{OURS * 20}")
    assert box[:, 25:120].min() < 60  # the square is there, in ink
    assert not caplog.records  # and the terminal hears nothing of weights


def test_a_letter_without_a_shape_is_no_letter(own_font):
    """Fonts of coloured letters have empty shapes: nothing would be drawn."""
    assert lettering(chr(ord(OURS) + 1)).families == (BUNDLED_FONT,)
    assert shown(chr(ord(OURS) + 1), 3) == r"label 3 (\u738c)"


def test_a_font_of_boxes_is_none(bare):
    """matplotlib comes with one that has a box for every character there is."""
    names = {entry.name for entry in font_manager.fontManager.ttflist}
    assert any("Last Resort" in name for name in names)
    assert not any("Last Resort" in name for name in room._families())
