# tries: what programs ask about the machine: cores, platform, user, time, limits
# kind: innocent
# outcomes: finished
# prints: True
import getpass
import os
import platform
import resource
import shutil
import sys
import time

facts = [
    os.cpu_count() >= 1,
    platform.system() == "Linux",
    bool(platform.python_version()),
    os.getcwd() == os.path.abspath("."),
    shutil.which("surely-not-there") is None,
    time.perf_counter() > 0 and time.process_time() >= 0,
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0,
    sys.maxsize > 2**31,
    shutil.get_terminal_size().columns > 0,
    os.path.exists("/dev/null"),
    not sys.stdin.isatty(),
]
try:
    getpass.getuser()
except (OSError, KeyError, ImportError):
    pass
open(os.devnull, "w").write("x")
print(all(facts) or facts)
