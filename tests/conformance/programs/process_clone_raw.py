# tries: new processes by the raw system calls clone, clone3 and vfork
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes can be started
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
clone, clone3, vfork = {"x86_64": (56, 435, 58), "aarch64": (220, 435, None)}[os.uname().machine]
SIGCHLD, CLONE_VM, CLONE_PARENT = 17, 0x100, 0x8000
NAMESPACES = (0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x02000000)

for flags in (SIGCHLD, 0, CLONE_PARENT | SIGCHLD, *(space | SIGCHLD for space in NAMESPACES)):
    pid = libc.syscall(clone, flags, None, None, None, None)
    if pid == 0:
        os._exit(0)
    if pid > 0:
        print("BREACH cloned with flags", hex(flags))

arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0)
pid = libc.syscall(clone3, ctypes.byref(arguments), ctypes.sizeof(arguments))
if pid == 0:
    os._exit(0)
if pid > 0:
    print("BREACH clone3")

if vfork is not None:
    pid = libc.syscall(57)  # fork; a vfork that works would wreck this stack before it tells
    if pid == 0:
        os._exit(0)
    if pid > 0:
        print("BREACH fork")
