# tries: writing to descriptors of the harness through the fault handler, from signals and threads
# kind: hostile
# outcomes: finished killed too_much_output
# limits: cpu=1 wall=3
import faulthandler
import signal
import time

for descriptor in range(256):
    try:
        faulthandler.enable(file=descriptor, all_threads=True)
        faulthandler.register(signal.SIGUSR1, file=descriptor)
        faulthandler.dump_traceback(file=descriptor)
    except (OSError, ValueError, RuntimeError):
        pass
try:
    faulthandler.dump_traceback_later(0.01, repeat=True, file=1)
except (OSError, ValueError, RuntimeError):
    pass
time.sleep(0.1)
