# tries: stopping itself for ever
# kind: hostile
# outcomes: timed_out_wall finished raised
# limits: cpu=1 wall=1.5
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
