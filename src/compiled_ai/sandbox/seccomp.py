"""A system-call filter for the process that runs untrusted code: compute, answer on one descriptor, and end.

Written as a classic BPF program and installed with `prctl`, so that no library has to be there. The tables are those of
libseccomp (the tests compare them). On another system or processor there is no filter, and `available()` says so.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
from dataclasses import dataclass

JOB = 3
"""The one descriptor that the filtered process may read, and (with 1 and 2, which lead nowhere) write."""

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_FILTER_MODE = 2

_LOAD, _EQUALS, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # ... EPERM
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_EXECUTABLE = 4


@dataclass(frozen=True)
class Calls:
    """System-call numbers of one architecture."""

    audit: int
    free: dict[str, int]
    """Allowed with any argument."""
    read: int
    write: int
    mapping: dict[str, int]
    """Allowed unless the memory becomes executable."""


_X86_64 = Calls(
    audit=0xC000003E,
    free={
        "munmap": 11,
        "mremap": 25,
        "madvise": 28,
        "brk": 12,
        "futex": 202,
        "clock_gettime": 228,
        "clock_getres": 229,
        "gettimeofday": 96,
        "time": 201,
        "getrandom": 318,
        "rt_sigreturn": 15,
        "exit": 60,
        "exit_group": 231,
        "sched_yield": 24,
        "getpid": 39,
        "gettid": 186,
        "getrusage": 98,
        "times": 100,
        "restart_syscall": 219,
        "membarrier": 324,
        "setitimer": 38,
        "close": 3,
    },
    read=0,
    write=1,
    mapping={"mmap": 9, "mprotect": 10},
)
_AARCH64 = Calls(
    audit=0xC00000B7,
    free={
        "munmap": 215,
        "mremap": 216,
        "madvise": 233,
        "brk": 214,
        "futex": 98,
        "clock_gettime": 113,
        "clock_getres": 114,
        "gettimeofday": 169,
        "getrandom": 278,
        "rt_sigreturn": 139,
        "exit": 93,
        "exit_group": 94,
        "sched_yield": 124,
        "getpid": 172,
        "gettid": 178,
        "getrusage": 165,
        "times": 153,
        "restart_syscall": 128,
        "membarrier": 283,
        "setitimer": 103,
        "close": 57,
    },
    read=63,
    write=64,
    mapping={"mmap": 222, "mprotect": 226},
)
CALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}


def available() -> bool:
    """Tells whether this system can be filtered (Linux on x86-64 or ARM64)."""
    return sys.platform.startswith("linux") and platform.machine() in CALLS


def program(calls: Calls) -> bytes:
    """Returns the BPF program: an allow-list; everything else fails with EPERM."""
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUALS, 1, 0, calls.audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    for number in calls.free.values():
        lines += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number, descriptors in ((calls.read, (JOB,)), (calls.write, (JOB, 1, 2))):
        lines += [(_EQUALS, 0, 2 + 2 * len(descriptors), number), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
        for descriptor in descriptors:
            lines += [(_EQUALS, 0, 1, descriptor), (_RETURN, 0, 0, _ALLOW)]
        lines += [(_RETURN, 0, 0, _REFUSE)]
    for number in calls.mapping.values():
        lines += [(_EQUALS, 0, 4, number), (_LOAD, 0, 0, _FIRST_ARGUMENT + 16)]
        lines += [(_ANY_BIT, 1, 0, _EXECUTABLE), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    lines += [(_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install() -> None:
    """Drops this process to the filter, for good. Raises `OSError` if the kernel refuses."""
    import ctypes

    code = program(CALLS[platform.machine()])
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, header, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp filter refused: {os.strerror(number)}")
