# tries: ptrace, process_vm_readv and writev, pidfd_getfd and /proc/PID/mem on others
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes of the same account can be read and traced
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
ptrace, readv, writev, kcmp = {
    "x86_64": (101, 310, 311, 312),
    "aarch64": (117, 270, 271, 272),
}[os.uname().machine]
pidfd_open, pidfd_getfd = 434, 438
PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_TRACEME = 16, 0x4206, 0


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


own = ctypes.create_string_buffer(64)
for pid in (os.getppid(), 1, int("@SIBLING_SAME_UID@"), int("@SUITE@")):
    if pid <= 0 or pid == os.getpid():
        continue
    # The parent was forked from the same image: what is mapped here is mapped there.
    here = Piece(ctypes.addressof(own), 64)
    there = Piece(ctypes.addressof(ctypes.create_string_buffer(64)), 64)
    for what, result in {
        "process_vm_readv": libc.syscall(
            readv, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0
        ),
        "process_vm_writev": libc.syscall(
            writev, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0
        ),
        "kcmp": libc.syscall(kcmp, os.getpid(), pid, 1, 0, 0),
        "seize": libc.syscall(ptrace, PTRACE_SEIZE, pid, None, None),
        "attach": libc.syscall(ptrace, PTRACE_ATTACH, pid, None, None),
    }.items():
        if result >= 0:
            print("BREACH", what, pid)
    descriptor = libc.syscall(pidfd_open, pid, 0)
    if descriptor >= 0 and libc.syscall(pidfd_getfd, descriptor, 0, 0) >= 0:
        print("BREACH pidfd_getfd", pid)
    for name in ("mem", "environ", "maps", "fd/0", "root/etc/passwd", "cwd"):
        try:
            os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
        except OSError:
            continue
        print("BREACH opened", name, "of", pid)
if libc.syscall(ptrace, PTRACE_TRACEME, 0, None, None) == 0:
    print("BREACH traceme")
