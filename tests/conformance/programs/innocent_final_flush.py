# tries: output without a newline, from nested writers, flushed at the end only
# kind: innocent
# outcomes: finished
# prints: one two three
import atexit
import sys

sys.stdout.write("one ")
sys.stdout.flush()
print("two", end=" ")
atexit.register(lambda: print("three", end=""))
