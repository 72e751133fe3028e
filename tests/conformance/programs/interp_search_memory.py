# tries: secrets anywhere in its own address space, through ctypes
# kind: hostile
# outcomes: finished killed
# limits: cpu=4 wall=10
import ctypes
import os

needle = b"CANARY" + b"-"
reader, writer = os.pipe()
try:
    ranges = []
    for line in open("/proc/self/maps"):
        place, mode = line.split()[:2]
        low, high = (int(part, 16) for part in place.split("-"))
        if mode.startswith("rw"):
            ranges.append((low, high))
except OSError:
    # No /proc: around the objects that are known. A pipe reads memory without a crash.
    here = id(needle) & ~0xFFFFF
    ranges = [(here - (64 << 20), here + (64 << 20))]
libc = ctypes.CDLL(None, use_errno=True)
for low, high in ranges:
    for start in range(low, high, 65536):
        length = min(65536, high - start)
        if libc.write(writer, ctypes.c_void_p(start), ctypes.c_size_t(length)) > 0:
            piece = os.read(reader, 65536)
            at = piece.find(needle)
            if at >= 0:
                print(piece[at : at + 60])
