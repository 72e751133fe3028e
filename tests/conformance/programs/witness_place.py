# tries: nothing; looks whether earlier programs left files, descriptors or processes behind
# kind: witness
# outcomes: finished
# prints: clean
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
here = os.path.realpath(".")
left = [name for name in os.listdir(".")]
if left:
    print("BREACH left in the working directory", left)
try:
    left = [name for name in os.listdir("/tmp") if os.path.realpath("/tmp/" + name) != here]
    mine = [name for name in left if here.startswith(os.path.realpath("/tmp/" + name) + "/")]
    if set(left) - set(mine):
        print("BREACH left in /tmp", left)
except OSError:
    pass
for descriptor in range(0, 3):
    os.fstat(descriptor)
if os.umask(0o22) not in (0o22, 0o77):
    print("BREACH another umask")
if os.getpriority(os.PRIO_PROCESS, 0) < 0:
    print("BREACH another priority")
for name, get in (("shm", libc.shmget), ("sem", libc.semget)):
    if get(0x6D747364, 0, 0) >= 0:
        print("BREACH left in", name)
if libc.msgget(0x6D747364, 0) >= 0:
    print("BREACH left in msg")
print("clean")
