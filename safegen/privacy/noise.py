"""Randomness that privacy rests on: an AES counter stream keyed by the operating system.

There is no seed. A seed would let whoever learns it subtract the noise, and know which records
entered which step, so that neither noise nor sampling would hide anybody any more.
"""

from __future__ import annotations

import secrets

import numpy as np
from randomgen import AESCounter


def secure_generator() -> np.random.Generator:
    """A numpy generator over AES-CTR with a fresh 128-bit key from the operating system."""
    return np.random.Generator(AESCounter(key=secrets.randbits(128)))
