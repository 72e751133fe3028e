# tries: SIGSTOP by every other road: tkill, tgkill, sigqueue, pidfd, descriptor owners
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes of the same account can be stopped
import ctypes
import fcntl
import os
import signal
import socket

libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": (200, 234, 129, 297), "aarch64": (130, 131, 138, 240)}[os.uname().machine]
tkill, tgkill, sigqueue, tgsigqueue = numbers
pidfd_open, pidfd_send_signal = 434, 424
information = ctypes.create_string_buffer(128)
information[0] = signal.SIGSTOP
information[8] = 0xFF  # si_code: SI_QUEUE, -1
for i in range(9, 12):
    information[i] = 0xFF

targets = [int("@SIBLING@"), int("@SIBLING_SAME_UID@"), int("@SUITE@"), os.getppid()]
for pid in targets:
    if pid <= 1 or pid == os.getpid():
        continue
    for what, failed in {
        "tkill": libc.syscall(tkill, pid, signal.SIGSTOP),
        "tgkill": libc.syscall(tgkill, pid, pid, signal.SIGSTOP),
        "sigqueue": libc.syscall(sigqueue, pid, signal.SIGSTOP, information),
        "tgsigqueue": libc.syscall(tgsigqueue, pid, pid, signal.SIGSTOP, information),
    }.items():
        if failed == 0:
            print("BREACH", what, pid)
    descriptor = libc.syscall(pidfd_open, pid, 0)
    if descriptor >= 0 and libc.syscall(pidfd_send_signal, descriptor, signal.SIGSTOP, None, 0) == 0:
        print("BREACH pidfd", pid)
    try:
        left, right = socket.socketpair()
        # The owner of a descriptor is sent SIGIO, or the signal chosen, when it is readable.
        fcntl.fcntl(left, fcntl.F_SETOWN, pid)
        fcntl.fcntl(left, 10, signal.SIGSTOP)  # F_SETSIG
        fcntl.fcntl(left, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        right.send(b"x")
    except OSError:
        pass
