# tries: a result of hundreds of megabytes
# kind: hostile
# outcomes: finished raised out_of_memory timed_out_cpu timed_out_wall
# result: result
# value: absent
# limits: memory=1G cpu=3 wall=8
result = ["x" * 1000] * 500_000
