# tries: to spin for ever
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=3
while True:
    pass
