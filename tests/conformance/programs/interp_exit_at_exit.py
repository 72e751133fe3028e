# tries: work, and another exit, when the program is over
# kind: hostile
# outcomes: finished early_exit timed_out_cpu timed_out_wall
# limits: cpu=1 wall=2
# prints: main is over
import atexit
import os
import time


def linger():
    time.sleep(20)


atexit.register(linger)
atexit.register(lambda: os._exit(0))
print("main is over", flush=True)
