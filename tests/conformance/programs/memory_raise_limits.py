# tries: raising its own limits, and those of its parent
# kind: hostile
# outcomes: finished out_of_memory
# limits: memory=256M
import ctypes
import os
import resource

libc = ctypes.CDLL(None, use_errno=True)
prlimit = {"x86_64": 302, "aarch64": 261}[os.uname().machine]
for name in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE", "DATA"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        continue
    for more in (hard + 1, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(number, (more, more))
        except (OSError, ValueError):
            continue
        print("BREACH raised", name)

unlimited = (ctypes.c_uint64 * 2)(2**64 - 1, 2**64 - 1)
for pid in (0, os.getpid()):
    if libc.syscall(prlimit, pid, resource.RLIMIT_AS, unlimited, None) == 0:
        print("BREACH prlimit of", pid)
small = (ctypes.c_uint64 * 2)(1, 1)
for pid in (int("@SIBLING_SAME_UID@"), int("@SUITE@")):
    if pid != os.getpid() and libc.syscall(prlimit, pid, resource.RLIMIT_CORE, small, None) == 0:
        print("BREACH prlimit of", pid)
kept = bytearray(1 << 30)
print("BREACH 1 GiB")
