# tries: blocking and ignoring every signal, then spinning
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
while True:
    pass
