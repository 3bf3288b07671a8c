"""Randomness that privacy rests on: an AES counter stream keyed by the operating system.

There is no seed. A seed would let whoever learns it subtract the noise, and know which records
entered which step, so that neither noise nor sampling would hide anybody any more. For tests of
reproducibility alone there is `unsafe_seeded_generator`, which warns and marks the certificate.
"""

from __future__ import annotations

import hmac
import secrets
import warnings
from typing import TYPE_CHECKING

import numpy as np
from randomgen import AESCounter

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


def generator_for(key: int, name: str, statistic: NDArray[np.generic]) -> np.random.Generator:
    """The stream of a key for one statistic.

    Done again after a crash, a release of the same name and statistic is the same release. Any
    other, such as that of a second copy of a checkpoint, or of codes that came out another way on
    another machine, gets noise of its own: two statistics under one noise would give their
    difference away.

    Args:
        key: 128 secret bits.
        name: of the release, among those made under the key.
        statistic: all that the noise will be added to.
    """
    told = hmac.new(key.to_bytes(16, "big"), digestmod="sha256")
    told.update(f"{name} {statistic.dtype} {statistic.shape} ".encode())
    told.update(np.ascontiguousarray(statistic).tobytes())
    return secure_generator(int.from_bytes(told.digest()[:16], "big"))


def unsafe_seeded_generator(seed: int) -> np.random.Generator:
    """The same stream for the same seed: for tests, never for people's records."""
    warnings.warn(
        "privacy noise from a seed hides nobody: use it in tests only", UnsafeWarning, stacklevel=3
    )
    return np.random.Generator(AESCounter(seed))
