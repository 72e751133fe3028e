# tries: tracing and profiling what the harness does after it
# kind: hostile
# outcomes: finished early_exit raised
import os
import sys
import threading


def spy(frame, event, argument):
    if frame.f_globals.get("__name__") != "__main__":
        for name, value in frame.f_locals.items():
            if isinstance(value, (bytes, str)) and "CANARY" + "-" in str(value):
                print("saw", value)
    return spy


sys.settrace(spy)
sys.setprofile(spy)
threading.settrace(spy)
frame = sys._getframe()
while frame:
    frame.f_trace = spy
    frame = frame.f_back
sys.addaudithook(lambda name, _: os._exit(0) if name == "os.fork" else None)
