# tries: leaving the process group and session, so that a kill of the group misses it
# kind: hostile
# outcomes: timed_out_wall timed_out_cpu
# limits: cpu=1 wall=1.5
import os
import time

for leave in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgid(0, os.getppid())):
    try:
        leave()
    except OSError:
        pass
time.sleep(20)
