"""Randomness that privacy rests on: an AES counter stream keyed by the operating system.

There is no seed. A seed would let whoever learns it subtract the noise, and know which records
entered which step, so that neither noise nor sampling would hide anybody any more. For tests of
reproducibility alone there is `unsafe_seeded_generator`, which warns and marks the certificate.
"""

from __future__ import annotations

import secrets
import warnings

import numpy as np
from randomgen import AESCounter


class UnsafeWarning(UserWarning):
    """Something was asked for that voids the guarantee."""


def secure_generator(key: int | None = None) -> np.random.Generator:
    """A numpy generator over AES-CTR.

    Args:
        key: 128 secret bits; fresh ones from the operating system when None.
    """
    return np.random.Generator(AESCounter(key=new_key() if key is None else key))


def new_key() -> int:
    """128 secret bits from the operating system."""
    return secrets.randbits(128)


def unsafe_seeded_generator(seed: int) -> np.random.Generator:
    """The same stream for the same seed: for tests, never for people's records."""
    warnings.warn(
        "privacy noise from a seed hides nobody: use it in tests only", UnsafeWarning, stacklevel=3
    )
    return np.random.Generator(AESCounter(seed))
