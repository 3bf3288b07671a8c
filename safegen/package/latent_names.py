"""Names that a user gives to what latents mean: `names.json`, beside what is signed.

They are somebody's words about the model, not the model's: the package's digests and manifest do
not hold them, and stay valid whatever is named. A file of names says which model it names, so that
it does not travel to another one unnoticed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from safegen import storage
from safegen.errors import DataError, InputError
from safegen.schemas.canonical import Record
from safegen.schemas.names import LATENT_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_NAME = 40  # characters
_THING = re.compile(r"latent (0|[1-9]\d*)|(sefa|pca)-[1-9]\d*|class-\d+-cluster-[1-9]\d*")


class LatentNames(Record):
    """`names.json`.

    Attributes:
        model: the digest of the model whose latents these are.
        names: by what is named: `latent 3`, `sefa-1`, `pca-2`, `class-7-cluster-1`.
    """

    format: Literal["safegen.latent-names/1"] = "safegen.latent-names/1"
    model: str
    names: dict[str, str]


def read_names(folder: Path, model: str) -> dict[str, str]:
    """The names in a package; none where nobody gave any.

    Raises:
        DataError: the file is none, or names another model's latents.
    """
    path = folder / LATENT_NAMES
    if not path.is_file():
        return {}
    try:
        found = LatentNames.model_validate_json(storage.read(path))
    except ValidationError as error:
        raise DataError(f"{path} holds no names; remove it and name anew") from error
    if found.model != model:
        raise DataError(f"{path} names the latents of another model; remove it and name anew")
    return found.names


def names_of(folder: Path) -> dict[str, str]:
    """The names in a package that is opened for nothing else."""
    from safegen.package.files import read

    return read_names(folder, read(folder).digest) if (folder / LATENT_NAMES).is_file() else {}


def write_names(folder: Path, model: str, given: Mapping[str, str], *, latents: int) -> None:
    """Add names to those of a package; an empty one takes a name back.

    Args:
        folder: the package.
        model: its digest.
        given: names, by what is named.
        latents: how many the model has.

    Raises:
        InputError: there is no such thing to name, or the name is too long or cannot be printed.
        StorageError: the file cannot be written.
    """
    names = read_names(folder, model)
    for thing, name in given.items():
        matched = _THING.fullmatch(thing)
        if matched is None:
            raise InputError(
                f"{thing!r} cannot be named; name a latent ('latent 3'), a direction ('sefa-1', "
                "'pca-2') or a cluster ('class-7-cluster-1')"
            )
        if matched[1] is not None and int(matched[1]) >= latents:
            raise InputError(f"there is no {thing}; they go from 0 to {latents - 1}")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise InputError(f"a name has {LONGEST_NAME} printable characters at most: {name!r}")
        names[thing] = name.strip()
    kept = {thing: name for thing, name in names.items() if name}
    record = LatentNames(model=model, names=kept)
    storage.write(folder / LATENT_NAMES, record.model_dump_json(indent=2).encode() + b"\n")
