# tries: more memory than it may have, in large pieces
# kind: hostile
# outcomes: out_of_memory
# limits: memory=256M cpu=2 wall=5
pieces = []
for _ in range(24):  # 3 GiB where nothing holds it
    pieces.append(bytearray(b"x" * (128 << 20)))
print("BREACH", len(pieces))
