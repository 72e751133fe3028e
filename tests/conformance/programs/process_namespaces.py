# tries: namespaces of its own, in which it would be root
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: namespaces can be made where the account may make them
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
SPACES = {
    "mount": 0x00020000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "time": 0x00000080,
}
for name, flag in SPACES.items():
    if libc.unshare(flag) == 0:
        print("BREACH unshared", name)
    if libc.unshare(flag | SPACES["user"]) == 0:
        print("BREACH unshared", name, "with a user namespace")
for name in ("mnt", "user", "pid", "net"):
    try:
        descriptor = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
    except OSError:
        continue
    if libc.setns(descriptor, 0) == 0:
        print("BREACH entered", name)
