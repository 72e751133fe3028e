# tries: climbing out of its place: "..", chroot, open_by_handle_at, pivot_root
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
by_handle, pivot = {"x86_64": (304, 155), "aarch64": (265, 41)}[os.uname().machine]
up = "../" * 40
try:
    print("climbed", open(up + "@HOME@/secret").read())
except OSError:
    pass
for what, attempt in {
    "chroot": lambda: os.chroot("/"),
    "pivot_root": lambda: libc.syscall(pivot, b".", b".") == 0 or 1 / 0,
}.items():
    try:
        attempt()
    except (OSError, ZeroDivisionError):
        continue
    print("BREACH", what)


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("inode", ctypes.c_uint64)]


root = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
if libc.syscall(by_handle, root, ctypes.byref(Handle(8, 1, 2)), 0) >= 0:
    print("BREACH open_by_handle_at")
