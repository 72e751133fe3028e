# tries: other programs through subprocess, os.system, popen and posix_spawn
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: other programs can be started
import os
import subprocess
import sys

attempts = {
    "subprocess": lambda: subprocess.run(["/bin/echo", "hello"], check=True),
    "subprocess python": lambda: subprocess.run([sys.executable, "-c", "0"], check=True),
    "popen": lambda: os.popen("echo hello").read() == "hello\n" or 1 / 0,
    "system": lambda: os.system("exit 0") == 0 or 1 / 0,
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "spawnv": lambda: os.spawnv(os.P_WAIT, "/bin/true", ["true"]) == 0 or 1 / 0,
}
for what, attempt in attempts.items():
    try:
        attempt()
    except (OSError, subprocess.SubprocessError, ZeroDivisionError):
        continue
    print("BREACH", what)
