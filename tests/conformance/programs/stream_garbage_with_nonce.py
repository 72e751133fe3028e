# tries: breaking the supervisor by its own messages, of every kind and with odd content
# kind: hostile
# outcomes: early_exit finished raised killed
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
        for kind in b"!SEXVRF":
            try:
                wire.send(secret + bytes([kind]) + b".not what is expected")
            except OSError:
                pass
os._exit(0)
