# tries: a fork bomb, through Python and through the C library
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes can be started; their number alone is limited
import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
children = 0
for _ in range(6):  # at most 2**6 processes where nothing holds it, each living 5 s
    for fork in (os.fork, libc.fork):
        try:
            pid = fork()
        except OSError:
            continue
        if pid == 0:
            children += 1
            time.sleep(5)
            os._exit(0)
        if pid > 0:
            print("BREACH forked", pid)
