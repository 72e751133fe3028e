# tries: printing what a harness might print for a pass, and leaving
# kind: hostile
# outcomes: early_exit
# prints: passed
import os

text = b'passed\n{"status": "finished", "passed": true}\nOK\n1 passed in 0.01s\n'
for descriptor in (1, 2):
    os.write(descriptor, text)
os._exit(0)
