"""The numbers of an explanation beside a file: are they those whose digest was signed?

They lie in a row of a safetensors file: eight bytes of a length, a header in JSON, and the tensors'
bytes. A row's bytes are all that is hashed, so that no library of numbers is needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.schemas.canonical import sha256
from safegen.schemas.explanation import Explanation
from safegen.schemas.names import EXPLANATIONS
from safegen.verification.discovery import UnfitFileError, content_of

if TYPE_CHECKING:
    from safegen.schemas.explanation import AnyExplanation

TENSOR_NAME = "attributions"
NUMBER_BYTES = 4  # of a float32
MAX_BYTES = 2**28  # of a file of numbers; those of 256 outputs have some hundred thousand


def numbers_beside(path: Path, explanation: AnyExplanation) -> Path | None:
    """Where the numbers of a released file's explanation should lie; None where none do."""
    if not isinstance(explanation, Explanation):
        return None
    name = explanation.arrays.file
    return path.parent / EXPLANATIONS / name if Path(name).name == name else None


def numbers_error(path: Path, explanation: AnyExplanation) -> str | None:
    """What is wrong with the numbers beside a file; None when they are right, or are not there."""
    beside = numbers_beside(path, explanation)
    if beside is None or not isinstance(explanation, Explanation):
        return None
    try:
        row = _row(content_of(beside, MAX_BYTES), explanation.arrays.row)
    except FileNotFoundError:
        return None
    except (UnfitFileError, ValueError, KeyError, TypeError, RecursionError):
        row = None
    if row is None or sha256(row) != explanation.arrays.digest:
        return f"its explanation's numbers in {EXPLANATIONS}/{beside.name} are not those signed"
    return None


def _row(data: bytes, number: int) -> bytes:
    """One row of the tensor, as it was hashed."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])[TENSOR_NAME]
    rows, *rest = header["shape"]
    if header["dtype"] != "F32" or not 0 <= number < rows:
        raise ValueError("it has no such row")
    size = NUMBER_BYTES
    for each in rest:
        size *= each
    start = 8 + length + header["data_offsets"][0] + number * size
    return data[start : start + size]
