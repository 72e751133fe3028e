# tries: more errors than anybody can keep
# kind: hostile
# outcomes: too_much_output
# limits: output=64K cpu=2 wall=5
import sys

while True:
    sys.stderr.write("error " * 1000 + "\n")
