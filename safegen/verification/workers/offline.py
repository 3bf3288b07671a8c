"""No network for a process that looks at strangers' files.

A manifest can name addresses: of an identity, of a manifest elsewhere, of whoever answers about a
certificate, of a schema. C2PA's reader is told to ask none of them (`provenance.c2pa.sdk`); but
it accepts settings that it does not know in silence, so what holds today might not after an
update. The kernel is therefore asked, too: a process that verifies gets no socket that leads out
of the machine, nor any to this one's ports. Linux alone offers that to everybody (seccomp);
elsewhere the settings alone hold.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys

_UNIX = 1  # the only family of addresses that a socket may have: files on this machine
_CALLS = {  # AUDIT_ARCH_*, and the numbers of socket(2) and seccomp(2)
    "x86_64": (0xC000003E, 41, 317),
    "aarch64": (0xC00000B7, 198, 277),
}
_NO_NEW_PRIVILEGES = 38  # prctl(2)
_SET_FILTER, _ALL_THREADS = 1, 1  # seccomp(2)
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # seccomp(2): SECCOMP_RET_*
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


class _Instruction(ctypes.Structure):
    """`struct sock_filter`."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def refuse_network(*, fatal: bool = False) -> bool:
    """Give this process, with all its threads, no socket but those of files from now on.

    It cannot be taken back, and processes started from here inherit it.

    Args:
        fatal: whether asking for such a socket ends the process (SIGSYS), so that a test hears of
            it; else it fails as where it is not permitted.

    Returns:
        Whether the system does so.
    """
    known = _CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    architecture, socket, seccomp = known
    program = _program(architecture, socket, refusal=_KILL if fatal else _FAIL | errno.EACCES)
    libc = ctypes.CDLL(None)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return int(libc.syscall(seccomp, _SET_FILTER, _ALL_THREADS, ctypes.byref(program))) == 0


def _program(architecture: int, socket: int, *, refusal: int) -> _Program:
    """What the kernel runs at each system call; a jump counts the instructions that it skips."""
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUALS, 0, 5, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUALS, 0, 3, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUALS, 1, 0, _UNIX),
        (_RETURN, 0, 0, refusal),
        (_RETURN, 0, 0, _ALLOW),
    )
    instructions = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    return _Program(len(steps), instructions)
