# tries: killing itself in the middle
# kind: hostile
# outcomes: killed
# prints: before
import os
import signal

print("before", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
print("BREACH after")
