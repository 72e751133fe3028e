# tries: leaving at once with success, before its end
# kind: hostile
# outcomes: early_exit
import os

os._exit(0)
