"""Privacy units of several records: which patient, user or household each record belongs to.

The groups come in a CSV file with one line a record, for every record of the data set:

    record,group
    sick/0001.png,patient-17
    sick/0002.png,patient-17
    well/0001.png,patient-20

A record is named by its path inside the folder, or by its number, from 0, in an array.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import numbers
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import DataError
from safegen.schemas.canonical import sha256
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from safegen.data.dataset import DataSet

HEADER = ["record", "group"]


def grouped(data: DataSet, groups: Sequence[object]) -> DataSet:
    """The same records with groups as their privacy unit.

    Args:
        data: the records.
        groups: one name a record; records with the same name are one unit.

    Raises:
        DataError: a record has no group, or there is only one.
    """
    if isinstance(groups, Mapping) or not hasattr(groups, "__len__"):
        raise DataError(
            f"the groups of {data.card.name} are a {type(groups).__name__}; give a list of one "
            "group id for each record, in order"
        )
    if len(groups) != len(data):
        raise DataError(
            f"{data.card.name} has {len(data)} records and {len(groups)} group ids; give one for "
            "each record"
        )
    nobody = next(
        (
            each
            for each in groups
            if type(each).__str__ is object.__str__ and type(each).__repr__ is object.__repr__
        ),
        None,
    )
    if nobody is not None:
        raise DataError(
            f"{data.card.name} has group ids of type {type(nobody).__name__}, of which no two are "
            "told to be one; give text or numbers"
        )
    groups = [normal(group) for group in groups]
    nameless = [number for number, group in enumerate(groups) if not group]
    if nameless:
        raise DataError(
            f"{len(nameless)} of {len(groups)} records have no group id, the first is "
            f"{_name(data, nameless[0])}; give every record one, and a record that belongs with no "
            "other a group of its own"
        )
    names, units = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    units = units.astype(np.int64)
    if len(names) < 2:
        raise DataError(f"all records are in group {names[0]}; one unit cannot be hidden")
    card = data.card.model_copy(update={"unit": "group", "units": len(names)})
    return dataclasses.replace(data, card=card, groups=units, grouping=_digest(units))


def read_groups(path: Path, data: DataSet) -> DataSet:
    """The records with the groups that a CSV file gives them.

    Raises:
        DataError: it is not such a file, or a record has no group in it.
        StorageError: it cannot be read.
    """
    try:
        lines = list(csv.reader(io.StringIO(read(path).decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8; write it with a header") from error
    if not lines or [word.strip() for word in lines[0]] != HEADER:
        found = ",".join(lines[0]) if lines else ""
        raise DataError(
            f"{path} must begin with the line {','.join(HEADER)}, and begins with {found[:60]!r}"
        )
    table: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != 2 or line[0] in table:
            problem = "names a record twice" if len(line) == 2 else "has not two columns"
            raise DataError(f"{path}, line {number}, {problem}; give each record one line")
        table[line[0]] = line[1]
    return grouped(data, _in_order(path, table, data))


def _in_order(path: Path, table: Mapping[str, str], data: DataSet) -> list[str]:
    names = [_name(data, number) for number in range(len(data))]
    missing = [name for name in names if name not in table]
    if missing:
        raise DataError(
            f"{path} gives no group to {len(missing)} of {len(names)} records, the first is "
            f"{missing[0]}; the records are {names[0]} to {names[-1]}, and each needs one"
        )
    strangers = sorted(table.keys() - set(names))
    if strangers:
        raise DataError(
            f"{path} gives groups to {len(strangers)} records that {data.card.name} does not have, "
            f"the first is {strangers[0]}; it may be of another data set"
        )
    return [table[name] for name in names]


def _digest(groups: NDArray[np.int64]) -> str:
    """Of who belongs together, record by record, whatever the groups are called."""
    first = np.unique(groups, return_index=True)[1]
    return sha256(first[groups].astype("<i8").tobytes())


def normal(word: object) -> str:
    """A name in one form, so that a space, an accent's spelling or 1.0 for 1 makes no second one.

    Missing values of NumPy, pandas and polars are no name.

    >>> normal(" a "), normal(2.0), normal(np.float32("nan")), normal(None)
    ('a', '2', '', '')
    """
    if word is None or type(word).__name__ in {"NAType", "NaTType"}:
        return ""
    if isinstance(word, numbers.Real) and not isinstance(word, numbers.Integral):
        value = float(word)
        word = "" if math.isnan(value) else int(value) if value.is_integer() else word
    return unicodedata.normalize("NFC", str(word)).strip()


def _name(data: DataSet, number: int) -> str:
    return data.names[number] if data.names else str(number)
