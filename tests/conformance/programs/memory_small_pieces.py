# tries: more memory than it may have, in small objects, each failure caught
# kind: hostile
# outcomes: out_of_memory timed_out_cpu timed_out_wall killed
# limits: memory=256M cpu=2 wall=5
kept = []
while True:
    try:
        kept.append([0] * 1000)
    except MemoryError:
        pass
