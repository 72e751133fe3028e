# tries: a small compressed text that becomes gigabytes
# kind: hostile
# outcomes: out_of_memory
# limits: memory=256M cpu=2 wall=5
import zlib

small = zlib.compress(bytes(32 << 20), 9)
for _ in range(2):
    small = zlib.compress(small, 9)
big = zlib.decompress(zlib.decompress(zlib.decompress(small)))
kept = [big * 64]
print("BREACH", len(kept[0]))
