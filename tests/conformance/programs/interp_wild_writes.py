# tries: random writes over its own memory
# kind: hostile
# outcomes: killed early_exit raised finished timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import ctypes
import gc
import random

random.seed(7)
for thing in gc.get_objects()[::50]:
    ctypes.memset(id(thing) + 8 * random.randrange(4), 0x41, 8)
gc.collect()
