"""Randomness that privacy rests on: an AES counter stream keyed by the operating system.

There is no seed. A seed would let whoever learns it subtract the noise, and know which records
entered which step, so that neither noise nor sampling would hide anybody any more. For tests of
reproducibility alone there is `unsafe_seeded_generator`, which warns and marks the certificate.

Nor does a stream ever give its noise twice: its state cannot be copied, pickled, read or set, so
that no checkpoint brings it back, and a forked process cannot go on with it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from randomgen import AESCounter

from safegen.errors import PlanError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UnsafeWarning(UserWarning):
    """Something was asked for that voids the guarantee."""


def _refused(*_: object) -> NoReturn:
    raise PlanError(
        "the state of a secret stream stays in it: whatever went on from a copy would use the same "
        "noise again; make a new stream"
    )


_refuse: Any = _refused  # in place of methods of many kinds


class _Counter(AESCounter):  # type: ignore[misc]
    """AES-CTR without a way to its state."""

    state = property(_refuse, _refuse)
    seed_seq = property(_refuse)
    jumped = advance = __getstate__ = __setstate__ = __reduce__ = __reduce_ex__ = __copy__ = (
        __deepcopy__
    ) = _refuse


class SecretStream(np.random.Generator):
    """A numpy generator that never gives the same numbers twice, and is of one process.

    Raises:
        PlanError: its state is asked for, or another process draws from it.
    """

    bit_generator = property(_refuse)
    spawn = __getstate__ = __setstate__ = __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = (
        _refuse
    )

    def __init__(self, key: int) -> None:
        super().__init__(_Counter(key=key))
        self._process = os.getpid()

    def __repr__(self) -> str:
        return "SecretStream()"

    __str__ = __repr__

    def random(self, *size: Any, **how: Any) -> Any:  # noqa: ANN401 - as numpy has it
        """Uniform in [0, 1), as numpy's."""
        self._require_own_process()
        return super().random(*size, **how)

    def standard_normal(self, *size: Any, **how: Any) -> Any:  # noqa: ANN401 - likewise
        """Normal with deviation 1, as numpy's."""
        self._require_own_process()
        return super().standard_normal(*size, **how)

    def _require_own_process(self) -> None:
        if os.getpid() != self._process:
            raise PlanError(
                "this process was forked from the one that made the stream, and both would draw "
                "the same noise; make a new stream, or start the process anew"
            )


def secure_generator(key: int | None = None) -> np.random.Generator:
    """A numpy generator over AES-CTR.

    Args:
        key: 128 secret bits; fresh ones from the operating system when None.
    """
    return SecretStream(new_key() if key is None else key)


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
