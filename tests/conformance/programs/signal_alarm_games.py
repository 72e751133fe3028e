# tries: a clock of its own that interrupts whatever the harness does
# kind: hostile
# outcomes: finished killed raised
# limits: cpu=2 wall=4
import os
import signal


def ring(*_):
    raise KeyboardInterrupt("rung")


for number in (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGUSR1, signal.SIGCHLD):
    signal.signal(number, ring)
    signal.siginterrupt(number, True)
signal.set_wakeup_fd(-1)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.001)
signal.setitimer(signal.ITIMER_PROF, 0.01, 0.001)
for _ in range(50):
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    except BaseException:
        pass
