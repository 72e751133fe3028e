# tries: as many threads as it can get, each asleep
# kind: hostile
# outcomes: finished raised out_of_memory timed_out_wall timed_out_cpu
# limits: cpu=2 wall=3 memory=512M
import threading
import time

started = 0
try:
    while started < 20_000:
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        started += 1
finally:
    if started >= 20_000:
        print("BREACH", started, "threads")
