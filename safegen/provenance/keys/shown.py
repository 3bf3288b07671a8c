"""Somebody else's name, as it is shown: of bounded length, without letters that cannot be seen.

Anybody can write any name into a certificate: one that fills the screen, one with a hidden letter
in it, or one that looks like a name that people know and is written with other letters. What can be
told by rules is told in brackets behind the name (after Unicode's UTS 39, "Security Mechanisms":
5.1 mixed scripts, 4 confusables; and DerivedCoreProperties, Default_Ignorable_Code_Point). Names
that look alike within one script (`rn` for `m`) are not told apart: a list of trust does that.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.x509 import Certificate

MAX_NAME_LETTERS = (
    64  # letters of a name that are shown, which is X.520's own bound (ub-common-name)
)
_MAX_ACCENTS_PER_LETTER = 2  # accents on one letter; more hide the lines above and below
_UNSEEN = (  # what is called printable and leaves a blank or nothing
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180c", "\u180d", "\u180f"),
    *("\u2800", "\u3164", "\uffa0"),
    *(chr(code) for code in range(0xFE00, 0xFE10)),
    *(chr(code) for code in range(0xE0100, 0xE01F0)),
)
_REPLACED = dict.fromkeys(map(ord, _UNSEEN), "\ufffd")
_TOGETHER = (  # scripts that are written in one word
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
_WIDE = ("FULLWIDTH", "HALFWIDTH", "FEMININE", "MASCULINE")  # other forms that people do write
_LIKE_LATIN = {
    "CYRILLIC": "АВЕЅІЈКМНОРСТУХѴԌԚԜаеѕіјорсухһԁԛԝѵӏ",
    "GREEK": "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορυ",
    "ARMENIAN": "ՏՍԼՕհոսցզօ",
    "CHEROKEE": "ᎠᎡᎢᎥᎪᎫᎬᎳᎷᎻᎽᏀᏂᏃᏎᏏᏒᏔᏙᏞᏟᏢᏦᏧᏴ",
}


def visible(text: str) -> str:
    r"""Text in which characters that cannot be seen, or turn writing around, are shown as such.

    >>> visible("a" + chr(27) + "[2Kb" + chr(0x202E) + chr(0x3164))
    'a\ufffd[2Kb\ufffd\ufffd'
    """
    if text.isascii() and text.isprintable():
        return text
    shown = (letter if letter.isprintable() else "\ufffd" for letter in text)
    return "".join(shown).translate(_REPLACED)


def signer_name(signature: Mapping[str, object]) -> str:
    """Who signed: the common name in the certificate, and in parentheses its own organisation.

    Not who issued it: what C2PA's reader calls the issuer is the organisation of the signer.

    >>> signer_name({"common_name": "camera 7", "issuer": "Acme"})
    'camera 7 (Acme)'
    """
    names = [str(signature.get(field) or "unnamed") for field in ("common_name", "issuer")]
    return f"{bounded(names[0])} ({bounded(names[1])}){remarks(*names)}"


def issuer_name(certificate: Certificate) -> str:
    """Who issued a certificate, as that says: its issuer's common name, and the organisation.

    Like every name in a certificate it proves nothing, until a list of trust vouches for the path.
    """
    names = [
        next((str(each.value) for each in certificate.issuer.get_attributes_for_oid(kind)), "")
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    ]
    common, organisation = (name or "unnamed" for name in names)
    return f"{bounded(common)} ({bounded(organisation)}){remarks(common, organisation)}"


def shown(name: str) -> str:
    """One name, bounded, with what is to be said of it.

    >>> shown("\u0410cme")
    '\u0410cme [mixes Cyrillic and Latin letters]'
    """
    return f"{bounded(name)}{remarks(name)}"


def bounded(name: str, longest: int = MAX_NAME_LETTERS) -> str:
    """A name that can be shown, cut to a length.

    >>> bounded("n" * 4000, 5)
    'nnnnn... (5 of 4,000 letters)'
    """
    text = "".join(_with_few_accents(visible(name[:longest])))
    more = f"... ({longest} of {len(name):,} letters)" if len(name) > longest else ""
    return f"{text}{more}"


@functools.lru_cache(maxsize=1024)  # a release says the same names a thousand times
def remarks(*names: str) -> str:
    """What is to be said of names, in brackets; nothing of most.

    >>> remarks("Acme", "Société Générale", "ООО Ромашка")
    ''
    """
    found: dict[str, None] = {}
    for name in names:
        if bounded(name, len(name)) != name:
            found["with letters that cannot be seen"] = None
        for word in name[:MAX_NAME_LETTERS].split():
            found |= dict.fromkeys(_of_word(word))
        if not any(remark.startswith("mixes") for remark in found):
            found |= dict.fromkeys(_alike(name[:MAX_NAME_LETTERS]))
    return f" [{'; '.join(found)}]" if found else ""


def _of_word(word: str) -> Iterator[str]:
    letters = [letter for letter in word if unicodedata.category(letter)[0] in "LN"]
    plain = [unicodedata.normalize("NFKC", letter) for letter in letters]
    named = [unicodedata.name(letter, "") for letter in letters]
    if any(
        normal != letter
        and normal.isascii()
        and not normal.isdigit()
        and not name.startswith(_WIDE)
        for letter, normal, name in zip(letters, plain, named, strict=True)
    ):
        yield "with letters in unusual forms"
    scripts = {_script(letter) for normal in plain for letter in normal if letter.isalpha()}
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        yield f"mixes {' and '.join(sorted(script.capitalize() for script in scripts))} letters"


def _alike(name: str) -> Iterator[str]:
    """Scripts of which a name has letters, and only such as look Latin."""
    letters = [letter for letter in name if letter.isalpha()]
    for script, alike in _LIKE_LATIN.items():
        own = [letter for letter in letters if _script(letter) == script]
        if own and all(letter in alike for letter in own):
            yield f"{script.capitalize()} letters that look like Latin ones"


def _script(letter: str) -> str:
    """The script of a letter, which its name begins with."""
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]


def _with_few_accents(text: str) -> Iterator[str]:
    stacked = 0
    for letter in text:
        stacked = stacked + 1 if unicodedata.combining(letter) else 0
        yield letter if stacked <= _MAX_ACCENTS_PER_LETTER else "\ufffd"
