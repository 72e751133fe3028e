# tries: nothing; looks whether earlier programs changed the interpreter that later ones get
# kind: witness
# outcomes: finished
# prints: clean
import builtins
import gc
import io
import json
import signal
import sys
import threading

for place in (builtins, sys):
    if hasattr(place, "mt_planted"):
        print(place.mt_planted)
if "mt_breach_kept" in sys.modules:
    print("BREACH left in sys.modules")
checks = [
    len([1, 2]) == 2,
    not isinstance(1, str),
    repr("x") == "'x'",
    type(builtins.open) is type(len),
    json.loads(json.dumps([1, "a"])) == [1, "a"],
    int("7") + None.__class__.__name__.count("N") == 8,
    isinstance(sys.stdout, io.TextIOBase),
    sys.gettrace() is None and sys.getprofile() is None,
    gc.isenabled(),
    signal.getsignal(signal.SIGUSR1) in (signal.SIG_DFL, None),
    not signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    threading.active_count() == 1,
    sys.getrecursionlimit() < 100_000,
    sys.getswitchinterval() < 1,
]
if not all(checks):
    print("BREACH", checks)
print("clean")
