# tries: output just under the cap, then silence
# kind: hostile
# outcomes: timed_out_wall
# limits: output=64K cpu=1 wall=1.5
import sys
import time

sys.stdout.write("z" * 60_000)
sys.stdout.flush()
time.sleep(20)
