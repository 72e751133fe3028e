# tries: very many empty files and directories
# kind: hostile
# outcomes: finished raised timed_out_cpu timed_out_wall
# limits: cpu=1 wall=4
import os

for number in range(3000):
    os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
    os.mkdir(f"d{number}")
