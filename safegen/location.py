"""Where a database lies: a path, which is taken as it is written, or a URL.

    ledger.db            a file; no letter in its name means anything, neither % nor # nor ?
    ~/ledger.db          a file in the home folder
    sqlite:////srv/l.db  a file, as a URL: %20 stands for a space
    postgresql://...     a server

What would keep nothing, or something else than was named, is refused: a log that is not where its
keeper believes it to be is no log.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from safegen.errors import StorageError

URL = re.compile(r"[A-Za-z][\w+.-]*://")
_MANGLED = re.compile(r"(sqlite|postgres)\w*(\+\w+)?:/")  # a URL that went through `Path`
_SQLITE = re.compile(r"sqlite(\+pysqlite)?://")


def locate(location: str | Path) -> Path | str:
    """The file that a location names, or the URL of a server.

    Args:
        location: a path, or an SQLAlchemy URL as text; a `Path` is never a URL.

    Raises:
        StorageError: it names no place that keeps anything.

    >>> str(locate("runs/100%#1?.db"))
    'runs/100%#1?.db'
    >>> str(locate("sqlite:///runs/a%20b.db"))
    'runs/a b.db'
    >>> locate("postgresql://me@host/log")
    'postgresql://me@host/log'
    """
    text = str(location)
    if not text.strip() or text != text.strip():
        said = "begins or ends with a space" if text.strip() else "is empty"
        raise StorageError(f"the database's name {text!r} {said}; name a file, or a URL")
    if isinstance(location, Path) or not URL.match(text):
        return _file(text)
    if _SQLITE.match(text):
        return _file_in(text)
    _require_unambiguous(text)
    return text


def is_missing(location: str | Path) -> bool:
    """Whether a location names a file that is not there; of a server it is not known.

    Raises:
        StorageError: it names no place that keeps anything.
    """
    place = locate(location)
    return isinstance(place, Path) and not place.exists()


def without_secret(url: str) -> str:
    """A URL to show: all that may be a password is left out, however it is written.

    >>> without_secret("postgresql://me:a:b/c@d@host/log")
    'postgresql://me:***@host/log'
    """
    return re.sub(r"(://[^:/@?]*):.*@", r"\1:***@", url, flags=re.DOTALL)


def last_part(location: str) -> str:
    """What a location is called where nobody need know the folders or the host that it lies in.

    >>> last_part("/srv/lists/root.pem"), last_part("postgresql://me:a@host/log?sslmode=require")
    ('root.pem', 'log')
    """
    text = urlsplit(location).path if URL.match(location) else location
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2] or "(unnamed)"


def _file(text: str) -> Path:
    """A file's path, which must be able to hold a database."""
    if text.lower() == ":memory:":
        raise StorageError(f"{text} keeps nothing when the process ends; name a file")
    if text.startswith("file:") or _MANGLED.match(text):
        raise StorageError(
            f"{text} looks like a URL and would be taken for a path; give a plain path "
            "(./ before it takes it as it is), or a whole URL as text"
        )
    if "\0" in text:
        raise StorageError(f"the database's name {text!r} cannot be a file's; name a file")
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - a Path has forgotten a ./ before the ~
    if text.startswith("~") and str(path).startswith("~"):
        raise StorageError(f"{text} names a home folder that is not known; write its whole path")
    if text.endswith("/") or path.is_dir():
        raise StorageError(f"{text} is a folder; name a file in it, such as {path / 'ledger.db'}")
    if path.exists() and not path.is_file():
        raise StorageError(f"{text} is no ordinary file and keeps nothing; name one")
    return path


def _file_in(url: str) -> Path:
    """The file that an SQLite URL names: `sqlite:///` and a path."""
    _, _, rest = url.partition("://")
    if not rest.startswith("/") or rest == "/":
        raise StorageError(
            f"{url} names no file, so that nothing would be kept; write sqlite:/// and a path, or "
            "the path alone"
        )
    if "?" in rest or "#" in rest:
        raise StorageError(
            f"{url} has a ? or #, which URLs set apart and a file is not opened by; give the path "
            "alone, where every letter stands for itself"
        )
    return _file(unquote(rest[1:]))


def _require_unambiguous(url: str) -> None:
    """A server's URL that readers would take apart differently could lead to another server.

    Raises:
        StorageError: a user or password has letters that must be written as %XX.
    """
    by_greed = re.match(r"[^:]*://(?:([^:/]*)(?::([^@]*))?@)?", url)  # as SQLAlchemy does
    assert by_greed is not None
    try:
        by_rule = urlsplit(url)
        named = by_rule.username, by_rule.password
    except ValueError:
        named = None, None
    if by_greed.groups() != named or url.partition("?")[0].count("@") > 1:
        raise StorageError(
            f"{without_secret(url)} can be read in two ways; write special letters of the user and "
            "the password as in %40 for @, %2F for /, %3F for ? and %23 for #"
        )
