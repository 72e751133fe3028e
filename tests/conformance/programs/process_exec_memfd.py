# tries: executing a program that exists only in memory
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: other programs can be started
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
execveat = {"x86_64": 322, "aarch64": 281}[os.uname().machine]
AT_EMPTY_PATH = 0x1000

try:
    descriptor = os.memfd_create("mt-breach")
except OSError:
    descriptor = os.open("mt-breach-program", os.O_RDWR | os.O_CREAT, 0o755)
os.write(descriptor, b"#!/bin/sh\necho BREACH memfd\n")
argv = (ctypes.c_char_p * 2)(b"x", None)
libc.syscall(execveat, descriptor, b"", argv, None, AT_EMPTY_PATH)
for path in (f"/proc/self/fd/{descriptor}", f"/dev/fd/{descriptor}", "./mt-breach-program"):
    try:
        os.execv(path, ["x"])
    except OSError:
        pass
