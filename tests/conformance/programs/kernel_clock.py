# tries: setting the clock of the machine
# kind: hostile
# outcomes: finished
import ctypes
import time

libc = ctypes.CDLL(None, use_errno=True)
now = time.clock_gettime(time.CLOCK_REALTIME)
try:
    time.clock_settime(time.CLOCK_REALTIME, now)
    print("BREACH clock_settime")
except OSError:
    pass
if libc.settimeofday((ctypes.c_long * 2)(int(now), 0), None) == 0:
    print("BREACH settimeofday")
