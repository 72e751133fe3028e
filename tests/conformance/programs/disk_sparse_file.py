# tries: a sparse file of a terabyte, by truncate, seek and fallocate
# kind: hostile
# outcomes: finished killed raised
# limits: file=2M
import os

descriptor = os.open("sparse", os.O_RDWR | os.O_CREAT)
for what, grow in {
    "truncate": lambda: os.ftruncate(descriptor, 1 << 40),
    "fallocate": lambda: os.posix_fallocate(descriptor, 0, 1 << 30),
    "seek": lambda: os.lseek(descriptor, 1 << 40, os.SEEK_SET) and os.write(descriptor, b"x"),
}.items():
    try:
        grow()
    except OSError:
        continue
    if os.fstat(descriptor).st_size > 2 << 20:
        print("BREACH", what, os.fstat(descriptor).st_size)
