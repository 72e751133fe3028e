# tries: breaking what all programs share, were they in one process: the object None
# kind: hostile
# outcomes: killed early_exit raised finished timed_out_cpu
# limits: cpu=1 wall=3
import ctypes

ctypes.c_long.from_address(id(None)).value = 1
for _ in range(1000):
    x = None
    del x
ctypes.memset(id(int), 0, 64)
