# tries: SIGKILL to its parent, its group and processes it has no business with
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes of the same account can be killed
import os
import signal

me = os.getpid()
targets = [int("@SIBLING@"), int("@SIBLING_SAME_UID@"), int("@SUITE@")]
for pid in targets:
    try:
        os.kill(pid, 0)  # is it there, and may it be reached?
    except OSError:
        continue
    if pid != me:
        print("BREACH could reach", pid)
        os.kill(pid, signal.SIGKILL)

parent = os.getppid()
for pid in range(2, 60):  # low numbers: what a namespace of its own would hold
    if pid != me:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
if parent > 1:
    try:
        os.kill(parent, signal.SIGKILL)
    except OSError:
        pass
