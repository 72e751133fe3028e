# tries: finding a descriptor of the harness that is left open
# kind: hostile
# outcomes: finished
import os
import stat
import sys

for number in range(3, 1024):
    try:
        status = os.fstat(number)
    except OSError:
        continue
    kind = stat.S_IFMT(status.st_mode)
    if any(f"/fd/{number}" in place for place in sys.path) and kind == stat.S_IFDIR:
        # The interpreter's own files, where they have no name; but nothing above them.
        for attempt in (
            lambda: os.listdir(os.open("..", os.O_RDONLY, dir_fd=number)),
            lambda: os.open("mt-breach-file", os.O_WRONLY | os.O_CREAT, dir_fd=number),
        ):
            try:
                print("BREACH out of", number, attempt())
            except OSError:
                pass
    elif kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFBLK, stat.S_IFCHR):
        print("BREACH inherited", number, stat.filemode(status.st_mode))
