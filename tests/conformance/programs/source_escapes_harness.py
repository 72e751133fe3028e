# tries: the harness's own names in the place where the program is run
# kind: hostile
# outcomes: finished
import sys

frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()):
        if frame.f_globals.get("__name__") != "__main__" and frame is not sys._getframe():
            try:
                frame.f_globals[name] = None
            except Exception:
                pass
            print("saw", name)
    frame = frame.f_back
