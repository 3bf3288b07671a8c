"""Every error that safegen raises on purpose; each class is a decision that a caller can take.

SafegenError
├── InputError              what was given is wrong: correct it, call again        exit 2
│   ├── DataError           a data set is missing, unreadable or misshapen
│   ├── PlanError           no mechanism can honour this privacy plan
│   ├── PolicyError         a policy cannot be loaded; the message names the key path
│   ├── KeyMaterialError    a key or certificate is missing, expired or unfit
│   ├── RequestError        a generator was asked for something that it does not make
│   └── StorageError        a place cannot be read or written; what was there is intact
├── TamperedError           something is not what was signed: do not use it        exit 1
├── RevokedError            whoever signed it has taken it back: do not use it      exit 1
├── TimeStampError          the time-stamp authority gave none; nothing was signed   exit 4
├── Refused                 sound input, and the answer is no; carries its Decision  exit 3
├── BudgetRefused           the data set's privacy budget does not allow it        exit 3
└── TrainingError           training cannot go on; what it spent stays spent       exit 4
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from safegen.schemas.decision import Decision


class UnsafeWarning(UserWarning):
    """Something left, or ran, outside what safegen vouches for; the ledger has its entry."""


class FewRecordsWarning(UserWarning):
    """Records are so few for their classes that the generator may hardly tell them apart."""


class CallbackWarning(UserWarning):
    """Somebody's callback raised; what it listened to goes on without it."""


class SafegenError(Exception):
    """The root: everything that safegen raises on purpose."""

    exit_code: ClassVar[int] = 4


class InputError(SafegenError):
    """What was given is wrong; correct it and call again."""

    exit_code = 2


class DataError(InputError):
    """A data set is missing, unreadable or misshapen."""


class PlanError(InputError):
    """No mechanism can honour this privacy plan."""


class PolicyError(InputError):
    """A policy cannot be loaded; the message names the key path."""


class KeyMaterialError(InputError):
    """A key or certificate is missing, expired or unfit."""


class RequestError(InputError):
    """A generator was asked for something that it does not make."""


class StorageError(InputError):
    """A place cannot be read or written; what was there before is intact."""


class TamperedError(SafegenError):
    """Something is not what was signed; do not use it."""

    exit_code = 1


class RevokedError(SafegenError):
    """Whoever signed something has taken it back; do not use it."""

    exit_code = 1


class TimeStampError(SafegenError):
    """The time-stamp authority gave no time-stamp, and one is required; nothing was signed."""


class Refused(SafegenError):  # noqa: N818 - a refusal is an answer, not a malfunction
    """A policy says no.

    Attributes:
        decision: the whole Decision, with every finding, also those that passed.
    """

    exit_code = 3

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


class BudgetRefused(SafegenError):  # noqa: N818 - likewise
    """The data set's privacy budget does not allow this run."""

    exit_code = 3


class TrainingError(SafegenError):
    """Training cannot go on; what it spent stays spent."""
