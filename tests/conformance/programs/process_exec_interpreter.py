# tries: becoming a fresh interpreter that nothing has prepared
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: another program can take the place of this one
import os
import sys

for path in (sys.executable or "/usr/bin/python3", "/usr/bin/python3", "/bin/sh", "/proc/self/exe"):
    arguments = [path, "-c", "import os; print('BREACH', 'exec')"]
    if path == "/bin/sh":
        arguments[-1] = "echo BREACH exec"
    for call in (os.execv, lambda p, a: os.execve(p, a, {})):
        try:
            call(path, arguments)
        except OSError:
            pass
