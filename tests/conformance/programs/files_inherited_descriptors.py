# tries: finding a descriptor of the harness that is left open
# kind: hostile
# outcomes: finished
import os
import stat

for number in range(3, 1024):
    try:
        status = os.fstat(number)
    except OSError:
        continue
    kind = stat.S_IFMT(status.st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFBLK) or stat.S_ISCHR(status.st_mode):
        print("BREACH inherited", number, stat.filemode(status.st_mode))
        try:
            print(os.listdir(number) if kind == stat.S_IFDIR else os.pread(number, 64, 0))
        except OSError:
            pass
