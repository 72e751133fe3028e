# tries: input with text on it, and at its end
# kind: innocent
# outcomes: finished
# stdin: Ada\n36\n
# prints: Ada is 36; no more
import sys

name = input("name? ")
age = int(input("age? "))
try:
    input()
except EOFError:
    print(f"{name} is {age}; no more")
assert sys.stdin.read() == ""
