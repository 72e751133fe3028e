# tries: io_uring and aio, which do file and network work past a filter of system calls
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: all system calls are open
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
io_setup = {"x86_64": 206, "aarch64": 0}[os.uname().machine]
parameters = ctypes.create_string_buffer(120)
if libc.syscall(425, 8, parameters) >= 0:
    print("BREACH io_uring")
context = ctypes.c_ulong(0)
if libc.syscall(io_setup, 8, ctypes.byref(context)) == 0:
    print("BREACH aio")
