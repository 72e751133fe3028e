# tries: signals to itself: alarms, handlers, timers
# kind: innocent
# outcomes: finished
# prints: ['alarm', 'user']
import os
import signal
import time

seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append("alarm"))
signal.signal(signal.SIGUSR1, lambda *_: seen.append("user"))
signal.setitimer(signal.ITIMER_REAL, 0.02)
time.sleep(0.1)
os.kill(os.getpid(), signal.SIGUSR1)
print(seen)
