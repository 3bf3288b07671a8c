"""A key's URI, taken apart: scheme, place, options; nothing secret may stand in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.custody.base import Credentials
from safegen.provenance.keys.pem import PASSPHRASE, load_certificates, read_secret
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

SECRET = ("passphrase", "password", "pin", "pin-value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a key is.

    Attributes:
        scheme: such as `file`.
        place: what stands between the scheme and the options, as it was written.
        options: by name, percent-decoded.
    """

    scheme: str
    place: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.scheme}:{self.place}"

    def allow(self, *names: str) -> None:
        """Refuse options that this scheme does not have.

        Raises:
            KeyMaterialError: there is one.
        """
        for name in self.options:
            if name not in names:
                known = f"they have {', '.join(names)}" if names else "leave it out"
                raise KeyMaterialError(f"{self.scheme}: keys have no option {name}; {known}")

    def path(self, name: str) -> Path | None:
        """A file that an option names, also when written as `file:...`."""
        value = self.options.get(name)
        return None if value is None else Path(value.removeprefix("file:"))

    def credentials(self) -> Credentials:
        """The certificates that `chain` and `trust` name.

        Raises:
            KeyMaterialError: no chain is named, or a file holds no certificate.
        """
        chain = self.path("chain")
        if chain is None:
            raise KeyMaterialError(
                f"{self} says nothing about who signs; name its certificates with ?chain=chain.pem"
            )
        return Credentials(chain=load_certificates(read(chain), str(chain)), anchor=self.anchor())

    def anchor(self) -> tuple[x509.Certificate, ...] | None:
        """The root that `trust` names, if it does.

        Raises:
            KeyMaterialError: the file holds no certificate.
        """
        path = self.path("trust")
        return None if path is None else load_certificates(read(path), str(path))

    def passphrase(self) -> str | None:
        """The passphrase from the file or variable that the options name, or the usual one.

        Raises:
            KeyMaterialError: it was named and is not there.
        """
        file = self.path("passphrase-file")
        if file is not None:
            return secret_in(file)
        variable = self.options.get("passphrase-env")
        return os.environ.get(PASSPHRASE) if variable is None else secret_of(variable)


def locate(uri: str) -> Location:
    """Take a URI apart at its first `:` and `?`.

    Raises:
        KeyMaterialError: an option is repeated, or holds a secret.
    """
    scheme, _, rest = uri.partition(":")
    place, _, query = rest.partition("?")
    options: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        if name in SECRET:
            raise KeyMaterialError(
                f"{name} does not belong in a URI, which others can see; name the file or the "
                "environment variable that holds it"
            )
        if name in options:
            raise KeyMaterialError(f"{scheme}:{place} names {name} twice; once is enough")
        options[name] = unquote(value)
    return Location(scheme=scheme, place=place, options=options)


def secret_in(path: Path) -> str:
    """The first line of a file that only its owner may read.

    Raises:
        KeyMaterialError: it is empty, or others can read it.
        StorageError: it cannot be read.
    """
    try:
        secret = read_secret(path).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise KeyMaterialError(f"{path} holds no text; write the passphrase as UTF-8") from error
    if not secret:
        raise KeyMaterialError(f"{path} is empty; write the passphrase into it")
    return secret


def secret_of(variable: str) -> str:
    """An environment variable that must be there.

    Raises:
        KeyMaterialError: it is not set, or empty.
    """
    secret = os.environ.get(variable)
    if not secret:
        raise KeyMaterialError(f"the environment variable {variable} is not set; set it")
    return secret
