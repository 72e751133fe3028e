# tries: the harness's own messages, with its own secret, taken from frames and closures
# kind: hostile
# outcomes: early_exit
# gap NAMESPACES: a program that takes its own process apart can say that it came to its end
# gap SHARED_NAMESPACES: a program that takes its own process apart can say that it came to its end
# gap LANDLOCK: a program that takes its own process apart can say that it came to its end
# gap LIMITS_ONLY: a program that takes its own process apart can say that it came to its end
import gc
import os
import socket
import sys

secrets, wires = set(), []
places = gc.get_objects()
frame = sys._getframe()
while frame:
    places += [*frame.f_locals.values(), frame.f_locals]
    frame = frame.f_back
for thing in places:
    for part in (thing, *gc.get_referents(thing)):
        if type(part) is bytes and 8 <= len(part) <= 64:
            secrets.add(part)
        if isinstance(part, socket.socket):
            wires.append(part)
for wire in wires:
    for secret in secrets:
        for kind in b"FEVX!":
            try:
                wire.send(secret + bytes([kind]) + b".not what is expected")
            except OSError:
                pass
os._exit(0)
