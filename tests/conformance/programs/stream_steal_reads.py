# tries: reading from every descriptor what was meant for the harness
# kind: hostile
# outcomes: finished early_exit
# limits: cpu=1 wall=3
import os

for descriptor in range(3, 256):
    try:
        os.set_blocking(descriptor, False)
        found = os.read(descriptor, 65536)
    except OSError:
        continue
    if found:
        print("BREACH read", found[:60], "from", descriptor)
