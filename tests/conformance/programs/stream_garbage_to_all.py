# tries: garbage to every descriptor that takes it
# kind: hostile
# outcomes: finished early_exit raised too_much_output
import os

garbage = bytes(range(256)) * 16
for descriptor in range(1024):
    try:
        os.set_blocking(descriptor, False)
        os.write(descriptor, garbage)
    except OSError:
        pass
