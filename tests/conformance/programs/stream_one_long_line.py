# tries: one line without an end
# kind: hostile
# outcomes: too_much_output
# limits: output=64K cpu=2 wall=5
import sys

for _ in range(1000):
    sys.stdout.write("z" * 10_000)
