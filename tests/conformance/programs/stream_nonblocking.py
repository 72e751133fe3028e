# tries: changing the mode of the pipes that it shares with the harness
# kind: hostile
# outcomes: finished raised
import fcntl
import os

for descriptor in range(64):
    try:
        os.set_blocking(descriptor, False)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND | os.O_ASYNC)
        fcntl.fcntl(descriptor, 1031, 1 << 20)  # F_SETPIPE_SZ
        fcntl.fcntl(descriptor, 1031, 4096)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
try:
    os.write(1, b"x" * 100_000)
except BlockingIOError:
    pass
