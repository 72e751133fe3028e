# tries: closing the standard streams and opening others in their place
# kind: hostile
# outcomes: finished raised
import os
import sys

sys.stdout.close()
sys.stderr.close()
os.close(0)
os.close(1)
os.close(2)
for name in ("a", "b", "c"):
    os.open(name, os.O_RDWR | os.O_CREAT)
sys.stdout = open(1, "w")
print("into a file")
