# tries: other processes through /proc: memory, descriptors, roots, working directories
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: processes of the same account are open
import os

try:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    pids = [str(pid) for pid in (1, os.getppid(), int("@SUITE@"), int("@SIBLING_SAME_UID@"))]
for pid in pids:
    if int(pid) == os.getpid():
        continue
    for name in ("environ", "mem", "maps", "root/@HOME@/secret", "cwd/secret", "fd/3", "syscall"):
        try:
            descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
            content = os.read(descriptor, 4096)
        except OSError:
            continue
        print("BREACH read", name, "of", pid, content[:40])
    try:
        for entry in os.listdir(f"/proc/{pid}/fd"):
            print("BREACH descriptor", entry, "of", pid)
    except OSError:
        pass
