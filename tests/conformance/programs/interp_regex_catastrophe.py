# tries: a regular expression that takes for ever inside C code
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
import re

re.match(r"(a|aa)+$", "a" * 100 + "b")
