# tries: system calls that attacks on the kernel are made of, or that change the machine
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: all system calls are open
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
calls = {
    # name: (x86_64, aarch64, arguments with which a kernel that allows it answers otherwise)
    "userfaultfd": (323, 282, (1,)),
    "bpf": (321, 280, (0, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "mount": (165, 40, (b"none", b".", b"tmpfs", 0, 0)),
    "umount2": (166, 39, (b"/nowhere", 0)),
    "open_tree": (428, 428, (-100, b"/", 1)),
    "fsopen": (430, 430, (b"tmpfs", 0)),
    "init_module": (175, 105, (0, 0, b"")),
    "finit_module": (313, 273, (-1, b"", 0)),
    "kexec_load": (246, 104, (0, 0, 0, 0xFFFF)),
    "reboot": (169, 142, (0, 0, 0, 0)),  # wrong magic numbers: does nothing
    "swapon": (167, 224, (b"/nowhere", 0)),
    "acct": (163, 89, (b"/nowhere",)),
    "sethostname": (170, 161, (b"mt-breach", 9)),
    "setdomainname": (171, 162, (b"mt-breach", 9)),
    "syslog": (103, 116, (3, 0, 0)),
    "quotactl": (179, 60, (0, 0, 0, 0)),
    "move_pages": (279, 239, (1, 0, 0, 0, 0, 0)),
    "fanotify_init": (300, 262, (0, 0)),
    "open_by_handle_at": (304, 265, (-1, 0, 0)),
    "name_to_handle_at": (303, 264, (-100, b"/", 0, 0, 0)),
    "vmsplice": (278, 75, (-1, 0, 0, 0)),
    "seccomp": (317, 277, (1, 0, 0)),
    "pidfd_open": (434, 434, (1, 0)),
    "process_madvise": (440, 440, (-1, 0, 0, 0, 0)),
    "process_mrelease": (448, 448, (-1, 0)),
    "personality": (135, 92, (0x0040000,)),
}
column = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
refused = (errno.EPERM, errno.EACCES, errno.ENOSYS)
for name, row in calls.items():
    ctypes.set_errno(0)
    arguments = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in row[2]]
    result = libc.syscall(row[column], *arguments)
    if result >= 0 or ctypes.get_errno() not in refused:
        print("BREACH", name, result, errno.errorcode.get(ctypes.get_errno()))
