# tries: a better priority than others have, and real-time scheduling
# kind: hostile
# outcomes: finished
import os

for what, attempt in {
    "nice": lambda: os.nice(-5),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
    "fifo": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "priority of others": lambda: os.setpriority(os.PRIO_PROCESS, int("@SIBLING_SAME_UID@"), 19),
    "priority of the group": lambda: os.setpriority(os.PRIO_PGRP, int("@SUITE@"), 19),
}.items():
    try:
        attempt()
    except OSError:
        continue
    print("BREACH", what)
