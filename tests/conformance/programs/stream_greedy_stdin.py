# tries: everything on standard input, and then more
# kind: hostile
# outcomes: raised
# stdin: one\ntwo\n
# prints: one two
import os
import sys

first = input()
print(first, sys.stdin.read().strip())
if os.read(0, 100) != b"":
    print("BREACH more input")
input()
