# tries: directories nested so deep that a careless cleaning up cannot remove them
# kind: hostile
# outcomes: finished raised timed_out_cpu timed_out_wall
# limits: cpu=1 wall=4
import os

for depth in range(2000):
    name = "d" * 100
    os.mkdir(name)
    os.chdir(name)
open("at-the-bottom", "w").close()
