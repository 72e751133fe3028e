# tries: values of the harness in frames, in objects the collector knows, in all of memory
# kind: hostile
# outcomes: finished raised
# limits: cpu=4 wall=8
import gc
import sys

found = []


def look(value):
    if isinstance(value, (str, bytes)) and len(value) < 10_000:
        text = value if isinstance(value, str) else value.decode("latin-1")
        if "CANARY" + "-" in text:
            found.append(text)


for frame in sys._current_frames().values():
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            look(value)
        frame = frame.f_back
for thing in gc.get_objects():
    for part in gc.get_referents(thing):
        look(part)
print(found)
