# tries: more output than anybody can keep
# kind: hostile
# outcomes: too_much_output
# limits: output=64K cpu=2 wall=5
import os

while True:
    os.write(1, b"y" * 65536)
