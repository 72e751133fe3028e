# tries: leaving from a thread while the main thread works
# kind: hostile
# outcomes: early_exit
# limits: cpu=2 wall=4
import os
import threading
import time

threading.Thread(target=lambda: (time.sleep(0.05), os._exit(0))).start()
time.sleep(10)
