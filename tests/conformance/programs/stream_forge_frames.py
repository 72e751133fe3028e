# tries: forged messages of the harness to every descriptor: lengths, JSON, descriptors passed on
# kind: hostile
# outcomes: early_exit
# value: absent
import json
import os
import socket
import struct

message = {"status": "finished", "outcome": "finished", "ok": True, "value": ["i", 42], "error": None}
text = json.dumps(message).encode()
frames = [
    text + b"\n",
    struct.pack("<I", len(text)) + text,
    struct.pack(">I", len(text)) + text,
    struct.pack("<Q", len(text)) + text,
    b"\0" * 64,
    b"F",
    b"finished\n",
]
for descriptor in range(3, 256):
    for frame in frames:
        try:
            os.write(descriptor, frame)
        except OSError:
            break
        try:
            channel = socket.socket(fileno=os.dup(descriptor))
            channel.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 1))])
        except OSError:
            pass
os._exit(0)
