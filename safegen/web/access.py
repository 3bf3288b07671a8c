"""Who may generate: API keys, of which only digests are kept.

    api_keys    digest, actor, time

A key is 32 random bytes, so that a plain digest tells nobody anything; whoever reads the database
can use none. It is shown once, when it is made.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.database import connect, reading, writing
from safegen.errors import InputError
from safegen.schemas.canonical import sha256

if TYPE_CHECKING:
    from pathlib import Path

KEY_PREFIX = "safegen_"
KEY_BYTES = 32  # of chance in a key
MAX_ACTOR_LETTERS = 200  # as of a release's actor
SHOWN_DIGITS = 12  # of a digest, by which a key is named
tables = sql.MetaData()
_keys = sql.Table(
    "api_keys",
    tables,
    sql.Column("digest", sql.String, primary_key=True),
    sql.Column("actor", sql.String, nullable=False),
    sql.Column("time", sql.String, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, as far as it is known after it was made.

    Attributes:
        name: the first digits of its digest.
        actor: who asks with it.
        time: when it was made, ISO 8601.
    """

    name: str
    actor: str
    time: str


class Access:
    """The keys of a service."""

    def __init__(self, location: str | Path) -> None:
        """Open the database, or begin one that only its owner reads.

        Raises:
            StorageError: it cannot be opened.
        """
        self._engine = connect(location, tables, private=True)

    def add(self, actor: str) -> str:
        """Make a key.

        Args:
            actor: whose it is, as policies and quotas hear it.

        Returns:
            The key itself, which nobody can be told again.

        Raises:
            InputError: nobody is called so.
            StorageError: it could not be kept.
        """
        actor = actor.strip()
        if not actor or not actor.isprintable() or len(actor) > MAX_ACTOR_LETTERS:
            raise InputError(
                f"a key's actor is one line of 1 to {MAX_ACTOR_LETTERS} letters; name who asks"
            )
        key = f"{KEY_PREFIX}{secrets.token_urlsafe(KEY_BYTES)}"
        time = datetime.now(UTC).isoformat(timespec="seconds")
        with writing(self._engine) as connection:
            connection.execute(
                sql.insert(_keys).values(digest=_digest(key), actor=actor, time=time)
            )
        return key

    def listed(self) -> tuple[ApiKey, ...]:
        """All keys, the oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(sql.select(_keys).order_by(_keys.c.time)).all()
        return tuple(
            ApiKey(name=row.digest[:SHOWN_DIGITS], actor=row.actor, time=row.time) for row in rows
        )

    def remove(self, name: str) -> ApiKey:
        """Take a key back; it opens nothing from now on.

        Args:
            name: the first digits of its digest, as listed.

        Raises:
            InputError: there is none, or several begin so.
        """
        with writing(self._engine) as connection:
            begun = _keys.c.digest.startswith(name, autoescape=True)
            rows = connection.execute(sql.select(_keys).where(begun)).all()
            if len(rows) != 1 or len(name) < 4:
                raise InputError(f"{name} names no key, or several; `safegen access list` has them")
            connection.execute(sql.delete(_keys).where(_keys.c.digest == rows[0].digest))
        (row,) = rows
        return ApiKey(name=row.digest[:SHOWN_DIGITS], actor=row.actor, time=row.time)

    def actor_of(self, key: str) -> str | None:
        """Whose key it is; None where it is nobody's.

        Raises:
            StorageError: the database is gone.
        """
        with reading(self._engine) as connection:
            found = sql.select(_keys.c.actor).where(_keys.c.digest == _digest(key))
            return connection.execute(found).scalar_one_or_none()


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).removeprefix("sha256:")
