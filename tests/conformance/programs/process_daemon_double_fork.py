# tries: a daemon: forks twice with a new session in between, to outlive the program
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes can be started and may outlive the program
import os
import time


def fork():
    try:
        return os.fork()
    except OSError:
        return -1


if fork() == 0:
    os.setsid()
    if fork() == 0:
        time.sleep(2)
        open("@DROP@/mt-breach-daemon", "w").close()
        time.sleep(20)
    os._exit(0)
print("done")
