# tries: leaving politely with success, before its end
# kind: hostile
# outcomes: early_exit
import sys

sys.exit(0)
print("BREACH went on")
