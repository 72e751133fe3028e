# tries: leaving from finalizers and weak reference callbacks
# kind: hostile
# outcomes: finished early_exit
import os
import sys
import weakref


class Falling:
    def __del__(self):
        raise SystemExit(0)


class Last:
    def __del__(self, leave=os._exit):
        leave(0)


for _ in range(100):
    Falling()
kept = [Last()]
watched = Falling()
weakref.finalize(watched, os._exit, 0)
sys.modules["mt_breach_kept"] = Last()
