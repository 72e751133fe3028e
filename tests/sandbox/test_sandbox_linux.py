"""The seccomp filter, interpreted here for both machines, and the removal of hostile trees."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from multiturn.sandbox.inside.rlimits import mapped_bytes
from multiturn.sandbox.inside.scratch import Scratch, remove_tree
from multiturn.sandbox.linux import syscalls
from multiturn.sandbox.linux.seccomp import SeccompFilter, program

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
EACCES, EINVAL, EOPNOTSUPP = 0x0005000D, 0x00050016, 0x0005005F
IGNORED, TRAP = 0x00050000, 0x00030000
ME, IPC_FD = 7, 3


def verdict(machine: str, number: int, *args: int, arch: int | None = None, **options) -> int:
    """What the filter says to a call: classic BPF, interpreted."""
    words = {0: number, 4: ARCH[machine] if arch is None else arch}
    for place in range(6):
        value = (args[place] if place < len(args) else 0) & (2**64 - 1)
        words[16 + 8 * place], words[20 + 8 * place] = value & 0xFFFFFFFF, value >> 32
    code = program(SeccompFilter(ME, IPC_FD, **{"file_modes": True} | options), machine)
    assert len(code) <= 4096, "the kernel takes no longer filter"
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, k = code[at]
        assert 0 <= if_true < 256 and 0 <= if_false < 256
        at += 1
        if operation == 0x20:
            accumulator = words[k]
        elif operation == 0x54:
            accumulator &= k
        elif operation == 0x15:
            at += if_true if accumulator == k else if_false
        elif operation == 0x35:
            at += if_true if accumulator >= k else if_false
        elif operation == 0x05:
            at += k
        else:
            assert operation == 0x06
            return k


def number_of(name: str, machine: str) -> int | None:
    column = list(ARCH).index(machine)
    groups = (syscalls.FREE, syscalls.FILE_MODES, syscalls.GUARDED, syscalls.REFUSED)
    groups += (syscalls.PROGRAMS, syscalls.FORKS, syscalls.TRUNCATE, syscalls.ATTRIBUTES)
    return next(group[name][column] for group in groups if name in group)


@pytest.mark.parametrize("machine", ARCH)
@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("read", (0,), ALLOW),
        ("openat", (), ALLOW),
        ("exit_group", (), ALLOW),
        ("fork", (), EPERM),
        ("execve", (), EPERM),
        ("socket", (2, 1, 0), EPERM),
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (1, 2), EPERM),
        ("socketpair", (2, 1), EPERM),
        ("socketpair", (1, 5 | 0x80000), ALLOW),
        ("socketpair", (1, 3), EPERM),
        ("socketpair", (1, 3 | 0x800), EPERM),
        ("socketpair", (1, 4), EPERM),
        ("openat", (-100, 0, 3), EACCES),
        ("openat", (-100, 0, 3 | 0x200), EACCES),
        ("openat", (-100, 0, 0x200), EACCES),
        ("openat", (-100, 0, 0x241), ALLOW),
        ("openat", (-100, 0, 0x202), ALLOW),
        ("open", (0, 3), EACCES),
        ("open", (0, 0x80200), EACCES),
        ("open", (0, 0x241), ALLOW),
        ("setsockopt", (4, 1, 2), ALLOW),
        ("setsockopt", (4, 1, 7), IGNORED),
        ("setsockopt", (4, 1, 16), EPERM),
        ("setsockopt", (4, 1, 26), EPERM),
        ("setsockopt", (4, 6, 2), EPERM),
        ("getsockopt", (4, 1, 3), ALLOW),
        ("getsockopt", (4, 1, 17), EPERM),
        ("getsockopt", (4, 1, 77), EPERM),
        ("sendto", (4, 0, 0, 0x4000, 0), ALLOW),
        ("sendto", (4, 0, 0, 0x4000, 1 << 40), EPERM),
        ("sendto", (4, 0, 0, 1, 0), EPERM),
        ("sendmsg", (4, 0, 0x40000040), ALLOW),
        ("sendmsg", (4, 0, 1), EPERM),
        ("recvmsg", (4, 0, 0x41), EPERM),
        ("futex", (0, 0x189), ALLOW),
        ("futex", (0, 0x81), ALLOW),
        ("futex", (0, 6), ENOSYS),
        ("futex", (0, 0x88), ENOSYS),
        ("futex", (0, 13), ENOSYS),
        ("madvise", (0, 0, 4), ALLOW),
        ("madvise", (0, 0, 100), EINVAL),
        ("madvise", (0, 0, 12), EINVAL),
        ("fallocate", (5, 0), ALLOW),
        ("fallocate", (5, 1), EOPNOTSUPP),
        ("flock", (5, 2), EPERM),
        ("fcntl", (5, 6), EPERM),
        ("fcntl", (5, 37), EPERM),
        ("fcntl", (5, 5), ALLOW),
        ("fcntl", (5, 1030), ALLOW),
        ("fcntl", (5, 1024), EPERM),
        ("fcntl", (5, 1031), EPERM),
        ("fcntl", (5, 1036), EPERM),
        ("clone", (0x7D0F00,), ALLOW),
        ("clone", (0x50F00,), EPERM),
        ("clone", (0x3D0B00,), EPERM),
        ("clone", (0x3D0F00 | 1 << 32,), EPERM),
        ("timer_create", (), EPERM),
        ("splice", (), EPERM),
        ("tee", (), EPERM),
        ("get_robust_list", (), EPERM),
        ("getxattr", (), EOPNOTSUPP),
        ("uname", (), ALLOW),
        ("clone", (0x3D0F00,), ALLOW),
        ("clone", (0x11,), EPERM),
        ("clone", (0x10000 | 0x10000000,), EPERM),
        ("clone3", (), ENOSYS),
        ("kill", (ME, 9), ALLOW),
        ("kill", (1, 9), EPERM),
        ("kill", (-1, 9), EPERM),
        ("kill", (0, 9), EPERM),
        ("tgkill", (ME, 99, 9), ALLOW),
        ("tgkill", (8, 8, 9), EPERM),
        ("close", (IPC_FD,), EPERM),
        ("close", (IPC_FD + 1,), ALLOW),
        ("dup3", (0, IPC_FD), EPERM),
        ("dup3", (IPC_FD, 9), ALLOW),
        ("shutdown", (IPC_FD, 2), EPERM),
        ("fcntl", (1, 8, 1), EPERM),
        ("fcntl", (1, 3), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x5421), ALLOW),
        ("prlimit64", (0, 0, 0), ALLOW),
        ("prlimit64", (0, 0, 1 << 40), EPERM),
        ("prlimit64", (5, 0, 0), EPERM),
        ("prctl", (15,), ALLOW),
        ("prctl", (1, 0), EPERM),
        ("prctl", (22,), EPERM),
        ("ptrace", (), EPERM),
        ("unshare", (), EPERM),
        ("mount", (), EPERM),
        ("memfd_create", (), EPERM),
        ("fchmodat", (), ALLOW),
    ],
)
def test_the_filter(machine, name, args, expected):
    number = number_of(name, machine) if name != "clone3" else 435
    if number is None:
        pytest.skip(f"{machine} has no {name}")
    assert verdict(machine, number, *args) == expected


@pytest.mark.parametrize("machine", ARCH)
def test_calls_that_are_answered_inside(machine):
    for name, args in (("flock", (5, 2)), ("fcntl", (5, 7)), ("uname", ())):
        number = number_of(name, machine)
        assert verdict(machine, number, *args, emulated=True, host_name=False) == TRAP
        assert verdict(machine, number, *args, host_name=False) == EPERM
    # A compiler's processes may rely on their locks, and on nothing else of this.
    forks = {"processes": True, "forks": True}
    assert verdict(machine, number_of("flock", machine), 5, 2, **forks) == ALLOW
    assert verdict(machine, number_of("clone", machine), 17, **forks) == ALLOW
    assert verdict(machine, number_of("clone", machine), 17, processes=True) == EPERM
    assert verdict(machine, number_of("clone", machine), 0x50F00, processes=True) == ALLOW, "Go"


@pytest.mark.parametrize("machine", ARCH)
def test_what_is_on_no_list_is_not_there(machine):
    for number in (425, 426, 427, 437, 500, 511, 512, 5000):  # io_uring, openat2, the future
        assert verdict(machine, number) == ENOSYS


@pytest.mark.parametrize("machine", ARCH)
def test_other_architectures_are_killed(machine):
    assert verdict(machine, 1, arch=0x40000003) == KILL
    assert verdict(machine, 0x40000001) == KILL, "x32"


@pytest.mark.parametrize("machine", ARCH)
def test_modes_of_files_are_left_alone_where_nothing_else_protects_them(machine):
    number = number_of("fchmodat", machine)
    assert verdict(machine, number, file_modes=False) == 0x00050000, "success, and nothing done"
    assert verdict(machine, number_of("truncate", machine), file_modes=False) == EPERM


def test_the_numbers_are_this_machines():
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    defined = {}
    for line in header.read_text().splitlines():
        if line.startswith("#define __NR_"):
            _, name, number = line.split()
            defined[name.removeprefix("__NR_")] = int(number)
    for group in (
        syscalls.FREE,
        syscalls.GUARDED,
        syscalls.REFUSED,
        syscalls.PROGRAMS,
        syscalls.ATTRIBUTES,
    ):
        for name, (number, _) in group.items():
            assert number == defined.get(name), name


def test_the_address_space_is_measured_without_proc():
    script = (
        "import os; from multiturn.sandbox.inside.rlimits import mapped_bytes; "
        "print(mapped_bytes(), int(open('/proc/self/statm').read().split()[0]) * 4096)"
    )
    if os.sysconf("SC_PAGE_SIZE") != 4096:
        pytest.skip("pages of another size")
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    measured, reported = map(int, out.split())
    assert abs(measured - reported) < 4 << 20
    assert mapped_bytes() > 0


def test_a_hostile_tree_is_removed(tmp_path):
    scratch = Scratch(tmp_path)
    place = scratch.make()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "other").write_text("other")
    (place / "link").symlink_to(outside)
    (place / "dangling").symlink_to("nowhere")
    (place / ("n" * 255)).write_text("long name")
    shut = place / "shut" / "inner"
    shut.mkdir(parents=True)
    (shut / "file").touch(mode=0)
    shut.chmod(0)
    shut.parent.chmod(0)
    deep = os.open(place, os.O_RDONLY)
    for _ in range(1200):  # Far deeper than a path, or Python's recursion, can go.
        os.mkdir("d" * 50, dir_fd=deep)
        inner = os.open("d" * 50, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    scratch.remove(place)
    deadline = time.monotonic() + 300
    while place.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not place.exists()
    assert (outside / "other").read_text() == "other"


def test_removing_follows_no_link_and_minds_no_absence(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "other").touch()
    link = tmp_path / "link"
    link.symlink_to(target)
    remove_tree(link)
    remove_tree(tmp_path / "absent")
    assert (target / "other").exists()
