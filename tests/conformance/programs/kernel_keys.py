# tries: keys of the kernel's keyring
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: all system calls are open
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
add_key, request_key, keyctl = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[
    os.uname().machine
]
if libc.syscall(add_key, b"user", b"mt-breach", b"secret", 6, -3) >= 0:
    print("BREACH add_key")
if libc.syscall(keyctl, 0, -3, 1) >= 0:
    print("BREACH keyctl")
if libc.syscall(request_key, b"user", b"mt-breach", None, -3) >= 0:
    print("BREACH request_key")
