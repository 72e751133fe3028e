# tries: leaving shared memory, semaphores and queues behind for a later program
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: all system calls are open
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
KEY, CREATE = 0x6D747364, 0o1000 | 0o666  # a key that the suite looks for afterwards
queue_number = 180 if os.uname().machine == "aarch64" else 240
print("shm", libc.shmget(KEY, 4096, CREATE) >= 0)
print("sem", libc.semget(KEY, 1, CREATE) >= 0)
print("msg", libc.msgget(KEY, CREATE) >= 0)
print("mq", libc.syscall(queue_number, b"mt-breach", os.O_CREAT | os.O_RDWR, 0o666, None) >= 0)
for path in ("/dev/shm/mt-breach-shm", "/dev/mqueue/mt-breach-mq"):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))
        print(path)
    except OSError:
        pass
