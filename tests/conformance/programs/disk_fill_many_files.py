# tries: filling the disk with many files, none of them too large
# kind: hostile
# outcomes: raised killed timed_out_cpu timed_out_wall
# limits: file=2M cpu=2 wall=5
# gap LANDLOCK: the total of all files is not bounded, only each one
# gap LIMITS_ONLY: the total of all files is not bounded, only each one
for number in range(128):  # 128 MiB where nothing holds it
    with open(f"part-{number}", "wb") as file:
        file.write(bytes(1 << 20))
print("BREACH wrote 128 MiB")
