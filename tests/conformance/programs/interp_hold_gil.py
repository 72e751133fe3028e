# tries: never giving other threads of the interpreter their turn
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import sys

sys.setswitchinterval(10**6)
all(True for _ in iter(int, 1))
