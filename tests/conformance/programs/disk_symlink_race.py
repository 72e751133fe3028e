# tries: swapping a file for a link while the harness looks at it or removes it
# kind: hostile
# outcomes: timed_out_cpu timed_out_wall
# limits: cpu=1 wall=2
import os

os.mkdir("real")
open("real/secret", "w").close()
while True:
    os.rename("real", "away")
    os.symlink("@HOME@", "real")
    os.unlink("real")
    os.rename("away", "real")
