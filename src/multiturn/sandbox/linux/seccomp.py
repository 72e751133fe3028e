"""A seccomp filter: the list of system calls that a program may make.

Everything that is not listed is refused: new processes and programs, sockets, signals to
others, changing its own limits, and all of the kernel's rarer doors (io_uring, keyrings,
userfaultfd, ptrace, namespaces, mounts). Threads, socket pairs (asyncio needs one) and
files work.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multiturn.sandbox.linux import syscalls
from multiturn.sandbox.linux.libc import MACHINES, call, machine, prctl

__all__ = ["Filter", "Template", "packed", "program"]

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER = 1
_PR_SET_NO_NEW_PRIVS = 38

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_X32_BIT = 0x40000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Is:
    """An argument, masked, has a value. Only the low 32 bits unless `whole`."""

    argument: int
    value: int
    mask: int = 0xFFFFFFFF
    whole: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """What the filter depends on.

    Attributes:
        pid: the process's own id, the only one it may signal.
        wire: a descriptor it may not close, replace or shut down.
        file_modes: whether it may change modes and times of files; see `FILE_MODES`. Where
            not, the calls do nothing and say that they did: `shutil.copy` and many others
            make them for the sake of order, and would otherwise fail.
        processes: whether it may become another program (never for Python programs).
        forks: whether it may start processes too, as compilers do.
    """

    pid: int
    wire: int
    file_modes: bool
    processes: bool = False
    forks: bool = False


def _rules(wanted: Filter) -> dict[str, list[list[_Is]]]:
    """For each guarded call its alternatives: tests that free it when all of them hold."""
    wire, me = wanted.wire, wanted.pid
    namespaces = 0x7E020080  # every CLONE_NEW* flag
    thread, untraced = 0x00010000, 0x00800000
    rules = {
        "clone": [[_Is(0, thread, thread | namespaces)]],
        "close": [[_Is(0, wire, negated=True)]],
        "dup2": [[_Is(1, wire, negated=True)]],
        "dup3": [[_Is(1, wire, negated=True)]],
        "shutdown": [[_Is(0, wire, negated=True)]],
        # Everything but F_SETOWN, F_SETSIG, F_SETOWN_EX (signals to others), F_SETLEASE (makes
        # others wait for a file), F_NOTIFY and F_SETPIPE_SZ (the kernel's memory).
        "fcntl": [
            [_Is(1, command, negated=True) for command in (8, 10, 15, 1024, 1026, 1031)],
        ],
        # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
        "ioctl": [
            [_Is(1, command)] for command in (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
        ],
        # AF_UNIX, and not SOCK_DGRAM: a datagram can be sent to any socket that has a name.
        "socketpair": [[_Is(0, 1), _Is(1, 2, mask=0xF, negated=True)]],
        "kill": [[_Is(0, me)]],
        "tgkill": [[_Is(0, me)]],
        "rt_sigqueueinfo": [[_Is(0, me)]],
        "rt_tgsigqueueinfo": [[_Is(0, me)]],
        "prlimit64": [[_Is(0, pid), _Is(2, 0, whole=True)] for pid in (0, me)],
        # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
        "prctl": [[_Is(0, option)] for option in (3, 15, 16, 39, 0x53564D41)],
    }
    if wanted.forks:
        rules["clone"] = [[_Is(0, 0, namespaces | untraced)]]
    return rules


def program(wanted: Filter, on: str | None = None) -> list[Instruction]:
    """The filter as instructions of classic BPF, for this machine or the one named."""
    on = on or machine()
    column = MACHINES.index(on)

    def numbers(group: dict[str, syscalls.Numbers]) -> set[int]:
        return {number for pair in group.values() if (number := pair[column]) is not None}

    free = numbers(syscalls.FREE)
    if wanted.file_modes:
        free |= numbers(syscalls.FILE_MODES) | numbers(syscalls.TRUNCATE)
    guarded: dict[int, list[Instruction]] = {}
    for name, alternatives in _rules(wanted).items():
        number = syscalls.GUARDED[name][column]
        if number is not None:
            guarded[number] = _guard(alternatives)
    if wanted.processes:
        free |= numbers(syscalls.PROGRAMS) - set(guarded)
    if wanted.forks:
        free |= numbers(syscalls.FORKS)
    refused = numbers(syscalls.REFUSED) - free - set(guarded)

    code: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[on]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in sorted(guarded):
        body = guarded[number]
        code += [(_EQUAL, 0, len(body), number), *body]
    leaves: list[tuple[int, int]] = []
    ignored = numbers(syscalls.FILE_MODES)
    for number in range(512):
        action = _ERRNO | errno.ENOSYS
        if number in free:
            action = _ALLOW
        elif number in ignored:
            action = _ERRNO  # errno 0: success
        elif number in refused:
            action = _ERRNO | errno.EPERM
        if not leaves or leaves[-1][1] != action:
            leaves.append((number, action))
    return code + _tree(leaves)


def _guard(alternatives: Sequence[Sequence[_Is]]) -> list[Instruction]:
    """Allow where an alternative holds; else EPERM."""
    code: list[Instruction] = []
    for tests in alternatives:
        words: list[tuple[int, int, int, bool]] = []
        for test in tests:
            words.append((16 + 8 * test.argument, test.mask, test.value, test.negated))
            if test.whole:
                high = test.value >> 32
                words.append((20 + 8 * test.argument, 0xFFFFFFFF, high, test.negated))
        block: list[Instruction] = [(_RETURN, 0, 0, _ALLOW)]
        for offset, mask, value, negated in reversed(words):
            fail = len(block)
            jump = (_EQUAL, fail, 0, value) if negated else (_EQUAL, 0, fail, value)
            masking = [] if mask == 0xFFFFFFFF else [(_AND, 0, 0, mask)]
            block = [(_LOAD, 0, 0, offset), *masking, jump, *block]
        code += block
    return [*code, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _tree(leaves: Sequence[tuple[int, int]]) -> list[Instruction]:
    """A binary search over ranges of numbers; each leaf is (first number, action)."""
    if len(leaves) == 1:
        return [(_RETURN, 0, 0, leaves[0][1])]
    middle = len(leaves) // 2
    below, above = _tree(leaves[:middle]), _tree(leaves[middle:])
    if len(below) > 255:
        # The jump is too far for its 8 bits: hop over with an unconditional one.
        return [
            (_AT_LEAST, 0, 1, leaves[middle][0]),
            (0x05, 0, 0, len(below)),
            *below,
            *above,
        ]
    return [(_AT_LEAST, len(below), 0, leaves[middle][0]), *below, *above]


def packed(instructions: Iterable[Instruction]) -> bytes:
    """The filter as the kernel reads it."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


class Template:
    """A filter made once, for many processes that differ in their own id alone."""

    _PLACEHOLDER = 0x7EADBEE5

    def __init__(
        self, *, wire: int, file_modes: bool, processes: bool = False, forks: bool = False
    ) -> None:
        wanted = Filter(self._PLACEHOLDER, wire, file_modes, processes, forks)
        self._code = packed(program(wanted))

    def install(self) -> None:
        """Put this process, and all that it starts, under the filter, for good.

        Raises:
            OSError: the kernel has no seccomp filters.
        """
        placeholder = struct.pack("=I", self._PLACEHOLDER)
        code = self._code.replace(placeholder, struct.pack("=I", os.getpid()))
        buffer = ctypes.create_string_buffer(code, len(code))
        header = ctypes.create_string_buffer(
            struct.pack("@HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer)), 16
        )
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        call(_SECCOMP[machine()], _SET_MODE_FILTER, 0, ctypes.addressof(header))
