"""Names that anybody can write into a certificate, as they are shown."""

import unicodedata

import pytest

from safegen.provenance.keys.shown import bounded, remarks, signer_name, visible

ORDINARY = [
    "Acme", "Société Générale", "Müller & Söhne GmbH", "ООО Ромашка", "Яндекс Cloud", "Αθήνα",
    "株式会社ソニー", "東京カメラABC", "삼성전자 Galaxy", "ＡＢＣ株式会社", "חברת חשמל", "أرامكو",
    "Nº 1", "camera 7", "Ηλεκτρική", "中文ㄅㄆ", "Đặng Thị Ngọc",
]  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_names_that_people_have_are_shown_as_they_are(name):
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, name)
        assert signer_name({"common_name": written, "issuer": written}) == f"{written} ({written})"


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("\u0410cme", " [mixes Cyrillic and Latin letters]"),
        ("Acme \u0421orp", " [mixes Cyrillic and Latin letters]"),
        ("G\u03bf\u03bfgle", " [mixes Greek and Latin letters]"),
        ("\u0410\u0441\u0435 Ltd", " [Cyrillic letters that look like Latin ones]"),
        ("\u0391\u03a4\u039a", " [Greek letters that look like Latin ones]"),
        ("\U0001d400cme", " [with letters in unusual forms]"),
        ("\u212aodak", " [with letters in unusual forms]"),
        ("\u2160BM", " [with letters in unusual forms]"),
        ("Ac\u200bme", " [with letters that cannot be seen]"),
        ("Ac\u3164me", " [with letters that cannot be seen]"),
        ("Acme\ufe0f", " [with letters that cannot be seen]"),
        ("Acme\u2800", " [with letters that cannot be seen]"),
        ("\u202eemcA", " [with letters that cannot be seen]"),
        ("A\u0301\u0302\u0303\u0304cme", " [with letters that cannot be seen]"),
    ],
)
def test_names_that_look_like_others_are_marked(name, remark):
    shown = signer_name({"common_name": name, "issuer": "Acme"})
    assert shown.endswith(f" (Acme){remark}")
    assert signer_name({"common_name": "x", "issuer": name}).endswith(remark)
    assert not {"\u200b", "\u3164", "\ufe0f", "\u2800", "\u202e", "\u0304"} & set(shown)


def test_names_have_an_end():
    shown = signer_name({"common_name": "n" * 100_000, "issuer": "\u202e" * 5000})
    assert len(shown) < 300
    assert shown.startswith("n" * 64 + "... (64 of 100,000 letters)")
    assert bounded("n" * 64) == "n" * 64
    assert signer_name({}) == "unnamed (unnamed)"


def test_every_character_that_leaves_a_blank_or_nothing_is_shown_as_such():
    for code in (0x00, 0x1B, 0xAD, 0x34F, 0x115F, 0x200B, 0x202E, 0x2066, 0x3164, 0xFE0F, 0xFFA0,
                 0xE0041, 0xE0100, 0xE000, 0x2028):  # fmt: skip
        assert visible(chr(code)) == "\ufffd", hex(code)
    assert remarks("plain") == ""
