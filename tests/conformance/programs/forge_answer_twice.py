# tries: answering calls that have not been made yet, from a thread
# kind: forgery
# outcomes: finished timed_out_wall timed_out_cpu
# limits: cpu=2 wall=4
import os
import threading


def spam():
    frame = b'{"value": true}\n'
    for _ in range(2000):
        for descriptor in range(3, 64):
            try:
                os.set_blocking(descriptor, False)
                os.write(descriptor, frame)
            except OSError:
                pass


threading.Thread(target=spam, daemon=True).start()


def answer(question):
    return "wrong"
