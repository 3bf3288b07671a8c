"""The numbers of a release's explanations: one safetensors file, which reading runs no code of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from safegen.errors import TamperedError
from safegen.schemas.canonical import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen.schemas.explanation import Arrays

TENSOR = "attributions"


def array_digest(attributions: NDArray[np.float32]) -> str:
    """The digest of one explanation's (regions, latents + 1) numbers."""
    return sha256(np.ascontiguousarray(attributions, dtype="<f4").tobytes())


def packed(attributions: Sequence[NDArray[np.float32]]) -> bytes:
    """The file that holds (outputs, regions, latents + 1), float32."""
    return save({TENSOR: np.stack(attributions)})


def row_of(data: bytes, arrays: Arrays) -> NDArray[np.float32]:
    """One output's (regions, latents + 1) numbers, out of the file's bytes.

    Raises:
        TamperedError: they are not those that were signed.
    """
    try:
        row: NDArray[np.float32] = load(data)[TENSOR][arrays.row]
    except (SafetensorError, KeyError, IndexError, ValueError) as error:
        raise TamperedError(
            f"{arrays.file} holds no numbers of this output; use an intact copy"
        ) from error
    if row.dtype != np.float32 or array_digest(row) != arrays.digest:
        raise TamperedError(f"{arrays.file} holds other numbers than were signed")
    return row
