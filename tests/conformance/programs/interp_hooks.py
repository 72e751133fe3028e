# tries: turning an error into a success through the hooks of the interpreter
# kind: hostile
# outcomes: raised early_exit
import os
import sys
import threading

leave = lambda *_: os._exit(0)
sys.excepthook = sys.unraisablehook = threading.excepthook = leave
sys.displayhook = leave
raise ValueError("an error all the same")
