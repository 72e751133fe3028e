# tries: threads that go on after the main thread has ended
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import threading
import time


def work():
    end = time.time() + 20
    while time.time() < end:
        pass


for _ in range(2):
    threading.Thread(target=work).start()
print("main is over")
