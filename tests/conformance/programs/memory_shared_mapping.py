# tries: memory that no limit on the heap counts: shared mappings, memfd, the stack
# kind: hostile
# outcomes: finished raised out_of_memory killed
# limits: memory=256M cpu=2 wall=5
import mmap
import resource

kept = []
size = 64 << 20
for _ in range(16):  # 1 GiB where nothing holds it
    piece = mmap.mmap(-1, size, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    for offset in range(0, size, 4096):
        piece[offset] = 1
    kept.append(piece)
print("BREACH", len(kept) * 64, "MiB; peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
