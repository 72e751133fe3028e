# tries: the environment of whoever started it
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the environment of processes of the same account is open
import ctypes
import os

print(dict(os.environ))
pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
index = 0
while pointer and pointer[index]:
    print(pointer[index])
    index += 1
for pid in ("self", os.getppid(), 1, int("@SIBLING_SAME_UID@"), int("@SUITE@")):
    for name in ("environ", "cmdline"):
        try:
            print(open(f"/proc/{pid}/{name}", "rb").read())
        except OSError:
            pass
# What execve left on the stack of this process, whatever has been made of os.environ since.
try:
    for line in open("/proc/self/maps"):
        if "[stack]" in line:
            low, high = (int(part, 16) for part in line.split()[0].split("-"))
            found = ctypes.string_at(low, high - low)
            print(found[found.find(b"CANARY-") :][:80] if b"CANARY-" in found else "none")
except OSError:
    pass
