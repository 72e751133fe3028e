# tries: listing directories outside
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's files are open
import os

for place in ("@HOME@", "@DROP@", "/root", "/home", os.path.dirname(os.path.realpath("."))):
    try:
        names = os.listdir(place)
    except OSError:
        continue
    if set(names) - {os.path.basename(os.path.realpath("."))}:
        print("BREACH listed", place, names[:5])
