# tries: an infinite loop in which every exception is caught
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import signal

signal.signal(signal.SIGXCPU, lambda *_: None)
while True:
    try:
        while True:
            sum(range(100))
    except BaseException:
        pass
