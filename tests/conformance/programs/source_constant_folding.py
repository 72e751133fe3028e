# tries: making the compiler compute for ever
# kind: hostile
# outcomes: out_of_memory timed_out_cpu timed_out_wall raised
# limits: cpu=1 wall=3 memory=512M
x = 9**9**9**9
