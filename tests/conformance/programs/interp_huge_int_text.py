# tries: numbers so large that showing them takes for ever
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall out_of_memory
# limits: cpu=1 wall=3 memory=512M
import sys

sys.set_int_max_str_digits(0)
print(str(3 ** (10**8)))
