# tries: one file larger than it may write
# kind: hostile
# outcomes: raised killed
# limits: file=2M
with open("big", "wb", buffering=0) as file:
    for _ in range(64):
        if file.write(bytes(1 << 20)) < 1 << 20:
            raise OSError("short write")
print("BREACH wrote 64 MiB")
