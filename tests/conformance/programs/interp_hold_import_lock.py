# tries: holding locks that the harness may need at the end
# kind: hostile
# outcomes: finished timed_out_wall
# limits: cpu=1 wall=2
import _imp
import gc
import sys
import threading

_imp.acquire_lock()
sys.stdout.flush()
gc.disable()
for lock in (threading._shutdown_locks_lock, threading._active_limbo_lock):
    lock.acquire()
