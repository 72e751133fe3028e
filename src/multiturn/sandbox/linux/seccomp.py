"""A seccomp filter: the list of system calls that a program may make.

Everything else is refused: new processes and programs, sockets, signals to others, changes to
its own limits, locks, timers that queue signals, and the kernel's rarer interfaces (io_uring,
keyrings, userfaultfd, ptrace, namespaces, mounts). Threads, socket pairs (asyncio needs one) and
files work.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multiturn.sandbox.linux import syscalls
from multiturn.sandbox.linux.libc import MACHINES, call, machine, prctl

__all__ = ["SeccompFilter", "Template", "packed", "program"]

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SET_MODE_FILTER = 1
_PR_SET_NO_NEW_PRIVS = 38

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_TRAP = 0x00030000
_X32_BIT = 0x40000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER_OR_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Arg:
    """Tests whether a masked argument is one of some values: its low 32 bits, or all 64."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    all_bits: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class _Guard:
    """How a call is answered: by the action of the first case whose tests all hold."""

    cases: tuple[tuple[tuple[_Arg, ...], int], ...]
    otherwise: int


@dataclass(frozen=True, slots=True)
class SeccompFilter:
    """What the filter depends on.

    Attributes:
        pid: the process's own id, the only one it may signal.
        ipc_fd: a descriptor that it may not close, replace or shut down.
        file_modes: whether it may change modes and times of files; see `FILE_MODES`. If not,
            the calls do nothing and report success, as `shutil.copy` and many others make them
            in passing and would otherwise fail.
        emulated: whether the process has a handler that emulates some of the refused calls (see
            `inside.syscall_emulation`); if not, those calls fail.
        host_name: whether it may ask for the machine's name, which is neutral in a namespace.
        processes: whether it may replace itself by another program (never for Python programs).
        forks: whether it may start processes too, as compilers do.
    """

    pid: int
    ipc_fd: int
    file_modes: bool
    emulated: bool = False
    host_name: bool = True
    processes: bool = False
    forks: bool = False


_NAMESPACES = 0x7E020080  # Every CLONE_NEW* flag.
_UNTRACED = 0x00800000
_THREAD_FLAGS = (0x003D0F00, 0x007D0F00)
"""What the C library starts a thread with: glibc's and musl's flags, and no others. A thread
without CLONE_FILES would have a table of files of its own, beyond the limit on open files."""
_GO_THREAD_FLAGS = (0x00050F00, 0x000D0F00)
"""What Go's runtime starts a thread with; the second with CLONE_SETTLS, as on x86-64."""

# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_OFD_GETLK, F_GETLEASE,
# F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS. None of F_SETOWN and F_SETSIG (signals to others),
# F_SETLEASE and F_NOTIFY (files of others) and F_SETPIPE_SZ (the kernel's memory).
_FCNTL = (0, 1, 2, 3, 4, 5, 36, 1025, 1030, 1032, 1034)
_FCNTL_LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and their kin that belong to an open file."""

# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)

_SOL_SOCKET = 1
# SO_REUSEADDR, SO_KEEPALIVE, SO_LINGER, SO_RCVLOWAT, SO_RCVTIMEO, SO_SNDTIMEO (old and new).
# None of SO_PASSCRED (gives a socket a name), filters, priorities and bound devices.
_SET_OPTIONS = (2, 9, 13, 18, 20, 21, 66, 67)
_SET_BUFFERS = (7, 8)
"""SO_SNDBUF and SO_RCVBUF: the kernel's memory. The sizes stay as they are."""
# The same and SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN.
# None of SO_PEERCRED and SO_PEERPIDFD, which lead to the supervisor.
_GET_OPTIONS = (*_SET_OPTIONS, 3, 4, 7, 8, 30, 38, 39)

# MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_EOR, MSG_WAITALL, MSG_NOSIGNAL, MSG_MORE,
# MSG_CMSG_CLOEXEC. None of MSG_OOB and MSG_ZEROCOPY.
_MESSAGE_FLAGS = 0x4000C1E2

# FUTEX_WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET, WAKE_BITSET. None that
# inherits priorities.
_FUTEX = (0, 1, 3, 4, 5, 9, 10)
_FUTEX_MODES = 0x180  # FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME.

# All kinds of advice about a process's own memory but MADV_MERGEABLE (who else has the same
# content?), MADV_PAGEOUT, MADV_HWPOISON and MADV_SOFT_OFFLINE.
_ADVICE = (0, 1, 2, 3, 4, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 102, 103)

# Thread-local storage, and what the processor's wide registers ask for.
_ARCH_PRCTL = (0x1001, 0x1002, 0x1003, 0x1004, 0x1011, 0x1021, 0x1022, 0x1023, 0x1024, 0x1025)

_ACCESS_MODE, _TRUNCATE = 0o3, 0o1000


def _only(*tests: _Arg, otherwise: int = _ERRNO | errno.EPERM) -> _Guard:
    """Allowed if all tests hold."""
    return _Guard(((tests, _ALLOW),), otherwise)


def _opening(flags: int) -> _Guard:
    """Refuses flags with which open truncates a file that Landlock before ABI 3 protects.

    With access mode 3 the kernel checks neither read nor write access, and still truncates;
    without write access it truncates what may only be read.
    """
    refused = _ERRNO | errno.EACCES
    return _Guard(
        (
            ((_Arg(flags, (3,), mask=_ACCESS_MODE),), refused),
            ((_Arg(flags, (_TRUNCATE,), mask=_ACCESS_MODE | _TRUNCATE),), refused),
        ),
        _ALLOW,
    )


def _rules(wanted: SeccompFilter) -> dict[str, _Guard]:
    """How each guarded call is answered."""
    ipc, me = wanted.ipc_fd, wanted.pid
    instead = _TRAP if wanted.emulated else _ERRNO | errno.EPERM
    not_ipc, mine = (ipc,), (me,)
    go = _GO_THREAD_FLAGS if wanted.processes else ()
    plain_flags = _Arg(2, (0,), mask=0xFFFFFFFF & ~_MESSAGE_FLAGS)
    packet_flags = _Arg(3, (0,), mask=0xFFFFFFFF & ~_MESSAGE_FLAGS)
    rules = {
        "open": _opening(1),
        "openat": _opening(2),
        "clone": _only(_Arg(0, (*_THREAD_FLAGS, *go), all_bits=True)),
        "close": _only(_Arg(0, not_ipc, negated=True)),
        "dup2": _only(_Arg(1, not_ipc, negated=True)),
        "dup3": _only(_Arg(1, not_ipc, negated=True)),
        "shutdown": _only(_Arg(0, not_ipc, negated=True)),
        "fcntl": _Guard(
            (((_Arg(1, _FCNTL),), _ALLOW), ((_Arg(1, _FCNTL_LOCKS),), instead)),
            _ERRNO | errno.EPERM,
        ),
        "flock": _Guard((), instead),
        "uname": _Guard((), _ALLOW if wanted.host_name else instead),
        "ioctl": _only(_Arg(1, _IOCTL)),
        # AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET: a datagram can be sent to any socket that has a
        # name, and what is asked for as SOCK_RAW becomes a datagram socket.
        "socketpair": _only(_Arg(0, (1,)), _Arg(1, (1, 5), mask=0xF), _Arg(2, (0, 1))),
        "setsockopt": _Guard(
            (
                ((_Arg(1, (_SOL_SOCKET,)), _Arg(2, _SET_OPTIONS)), _ALLOW),
                ((_Arg(1, (_SOL_SOCKET,)), _Arg(2, _SET_BUFFERS)), _ERRNO),  # errno 0: success
            ),
            _ERRNO | errno.EPERM,
        ),
        "getsockopt": _only(_Arg(1, (_SOL_SOCKET,)), _Arg(2, _GET_OPTIONS)),
        # Only to the other end: no address.
        "sendto": _only(packet_flags, _Arg(4, (0,), all_bits=True)),
        "recvfrom": _only(packet_flags),
        "sendmsg": _only(plain_flags),
        "recvmsg": _only(plain_flags),
        # ENOSYS tells a C library that there are no such locks.
        "futex": _only(
            _Arg(1, _FUTEX, mask=0xFFFFFFFF & ~_FUTEX_MODES), otherwise=_ERRNO | errno.ENOSYS
        ),
        "madvise": _only(_Arg(2, _ADVICE), otherwise=_ERRNO | errno.EINVAL),
        "arch_prctl": _only(_Arg(0, _ARCH_PRCTL), otherwise=_ERRNO | errno.EINVAL),
        # Other modes reach past the limit on the size of a file.
        "fallocate": _only(_Arg(1, (0,)), otherwise=_ERRNO | errno.EOPNOTSUPP),
        "kill": _only(_Arg(0, mine)),
        "tgkill": _only(_Arg(0, mine)),
        "rt_sigqueueinfo": _only(_Arg(0, mine)),
        "rt_tgsigqueueinfo": _only(_Arg(0, mine)),
        "prlimit64": _only(_Arg(0, (0, me)), _Arg(2, (0,), all_bits=True)),
        # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
        "prctl": _only(_Arg(0, (3, 15, 16, 39, 0x53564D41))),
    }
    if wanted.forks:
        rules["clone"] = _only(_Arg(0, (0,), mask=_NAMESPACES | _UNTRACED))
        # Several processes of a compiler may rely on their locks.
        rules["flock"] = _Guard((), _ALLOW)
        rules["fcntl"] = _only(_Arg(1, (*_FCNTL, *_FCNTL_LOCKS)))
    return rules


def program(wanted: SeccompFilter, on: str | None = None) -> list[Instruction]:
    """The filter as instructions of classic BPF, for this machine or the one named."""
    on = on or machine()
    column = MACHINES.index(on)

    def numbers(group: dict[str, syscalls.Numbers]) -> set[int]:
        return {number for pair in group.values() if (number := pair[column]) is not None}

    free = numbers(syscalls.FREE)
    if wanted.file_modes:
        free |= numbers(syscalls.FILE_MODES) | numbers(syscalls.TRUNCATE)
    guarded: dict[int, list[Instruction]] = {}
    for name, guard in _rules(wanted).items():
        number = syscalls.GUARDED[name][column]
        if number is not None:
            guarded[number] = _guard(guard)
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
        (_GREATER_OR_EQUAL, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in sorted(guarded):
        body = guarded[number]
        code += [(_EQUAL, 0, len(body), number), *body]
    leaves: list[tuple[int, int]] = []
    ignored, unsupported = numbers(syscalls.FILE_MODES), numbers(syscalls.ATTRIBUTES)
    for number in range(512):
        action = _ERRNO | errno.ENOSYS
        if number in free:
            action = _ALLOW
        elif number in ignored:
            action = _ERRNO  # errno 0: success
        elif number in unsupported:
            action = _ERRNO | errno.EOPNOTSUPP
        elif number in refused:
            action = _ERRNO | errno.EPERM
        if not leaves or leaves[-1][1] != action:
            leaves.append((number, action))
    return code + _tree(leaves)


def _guard(guard: _Guard) -> list[Instruction]:
    """The cases in order; a test that fails jumps to the next case."""
    code: list[Instruction] = []
    for tests, action in guard.cases:
        block: list[Instruction] = [(_RETURN, 0, 0, action)]
        for test in reversed(tests):
            low = tuple(value & 0xFFFFFFFF for value in test.values)
            block = _test(16 + 8 * test.argument, low, test.mask, test.negated, block)
            if test.all_bits:
                (high,) = {value >> 32 for value in test.values}
                block = _test(20 + 8 * test.argument, (high,), 0xFFFFFFFF, False, block)
        code += block
    return [*code, (_RETURN, 0, 0, guard.otherwise)]


def _test(
    offset: int, values: Sequence[int], mask: int, negated: bool, block: list[Instruction]
) -> list[Instruction]:
    """Continue with `block` if the word at `offset` is one of `values`; else jump over it."""
    code: list[Instruction] = [(_LOAD, 0, 0, offset)]
    if mask != 0xFFFFFFFF:
        code.append((_AND, 0, 0, mask))
    for left, value in zip(range(len(values))[::-1], values, strict=True):
        if negated:
            code.append((_EQUAL, left + len(block), 0, value))
        else:
            code.append((_EQUAL, left, 0 if left else len(block), value))
    return code + block


def _tree(leaves: Sequence[tuple[int, int]]) -> list[Instruction]:
    """A binary search over ranges of numbers; each leaf is (first number, action)."""
    if len(leaves) == 1:
        return [(_RETURN, 0, 0, leaves[0][1])]
    middle = len(leaves) // 2
    below, above = _tree(leaves[:middle]), _tree(leaves[middle:])
    if len(below) > 255:
        # The jump does not fit 8 bits, so an unconditional one does it.
        return [
            (_GREATER_OR_EQUAL, 0, 1, leaves[middle][0]),
            (0x05, 0, 0, len(below)),
            *below,
            *above,
        ]
    return [(_GREATER_OR_EQUAL, len(below), 0, leaves[middle][0]), *below, *above]


def packed(instructions: Iterable[Instruction]) -> bytes:
    """The filter as the kernel reads it."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


class Template:
    """A filter made once, for many processes that differ only in their process id."""

    _PLACEHOLDER = 0x7EADBEE5

    def __init__(
        self,
        *,
        ipc_fd: int,
        file_modes: bool,
        emulated: bool = False,
        host_name: bool = True,
        processes: bool = False,
        forks: bool = False,
    ) -> None:
        wanted = SeccompFilter(
            self._PLACEHOLDER, ipc_fd, file_modes, emulated, host_name, processes, forks
        )
        code = packed(program(wanted))
        placeholder = struct.pack("=I", self._PLACEHOLDER)
        self._pids = [found.start() for found in re.finditer(re.escape(placeholder), code)]
        # In one place from the start: a child that writes its id there copies a page or two.
        self._code = ctypes.create_string_buffer(code, len(code))
        self._header = ctypes.create_string_buffer(
            struct.pack("@HxxxxxxQ", len(code) // 8, ctypes.addressof(self._code)), 16
        )

    def install(self) -> None:
        """Put this process, and all that it starts, under the filter, for good.

        Raises:
            OSError: the kernel has no seccomp filters.
        """
        pid = os.getpid()
        for at in self._pids:
            struct.pack_into("=I", self._code, at, pid)
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        call(_SECCOMP[machine()], _SET_MODE_FILTER, 0, ctypes.addressof(self._header))
