"""Perceptual codes of samples: the fingerprints of their kind of data, compared bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.screens.screen import Batch

    Codes = NDArray[np.uint8]


def codes_of(batch: Batch) -> Codes:
    """The fingerprint of each sample, (n, bytes), uint8.

    Raises:
        DataError: this kind of data has no fingerprint.
    """
    modality = batch.modality
    if modality is None or modality.fingerprint_algorithm is None:
        raise DataError("this kind of data has no fingerprint, and so nothing looks like another")
    usual = type(modality).of(modality.shape)  # a format that stores every value
    codes = []
    for place in range(len(batch)):
        code = usual.fingerprint(usual.encode(batch.values(place)), to_compare=True)
        if code is None:
            raise DataError(f"sample {place + 1} has no fingerprint")
        codes.append(np.frombuffer(code, dtype=np.uint8))
    return np.stack(codes)


def similarities(codes: Codes, others: Codes) -> NDArray[np.float64]:
    """Shares (n, others) of bits that are alike.

    >>> one = np.array([[0b1111_0000]], dtype=np.uint8)
    >>> similarities(one, np.array([[0b1111_0011], [0b1111_0000]], dtype=np.uint8)).tolist()
    [[0.75, 1.0]]
    """
    different = np.bitwise_count(codes[:, None] ^ others[None]).sum(axis=2)
    alike: NDArray[np.float64] = 1 - different / (8 * codes.shape[1])
    return alike


def load_library() -> None:
    """Load the standard's own library, which some samples need, before anything is confined."""
    import iscc_core.code_content_image  # noqa: F401
