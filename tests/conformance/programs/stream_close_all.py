# tries: closing every descriptor, then going on as if nothing were
# kind: hostile
# outcomes: finished raised early_exit
import os

os.closerange(0, 65536)
total = sum(range(1000))
try:
    print(total)
except OSError:
    pass
