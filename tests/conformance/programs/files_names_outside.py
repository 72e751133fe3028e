# tries: learning which files there are, without reading them
# kind: hostile
# outcomes: finished
# gap LANDLOCK: names, sizes and dates of files can be asked for by name
# gap LIMITS_ONLY: the account's files are open
import os

for what, look in {
    "stat": lambda: os.stat("@HOME@/secret"),
    "access": lambda: os.access("@HOME@/secret", os.F_OK) or 1 / 0,
    "listdir": lambda: os.listdir("@HOME@"),
    "readlink": lambda: os.readlink("@HOME@/link"),
    "statvfs": lambda: os.statvfs("@HOME@"),
}.items():
    try:
        look()
    except (OSError, ZeroDivisionError):
        continue
    print("BREACH", what)
