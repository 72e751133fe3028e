# tries: another file in the place of every descriptor
# kind: hostile
# outcomes: finished early_exit raised
import os

null = os.open("/dev/null", os.O_RDWR)
for descriptor in range(1024):
    if descriptor != null:
        try:
            os.dup2(null, descriptor)
        except OSError:
            pass
print("unheard")
