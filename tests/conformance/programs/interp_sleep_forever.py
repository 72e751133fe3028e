# tries: to sleep for ever, using no CPU time
# kind: hostile
# outcomes: timed_out_wall
# limits: cpu=1 wall=1.5
import time

time.sleep(1000)
