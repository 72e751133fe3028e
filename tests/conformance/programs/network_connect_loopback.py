# tries: connecting to a server on this machine
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the network is open
import ctypes
import os
import socket

for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        with socket.socket(family) as client:
            client.settimeout(1)
            client.connect((address, int("@PORT@")))
            client.sendall(b"breach")
        print("BREACH connected", address)
    except OSError:
        pass

# The same past Python, with the raw calls.
libc = ctypes.CDLL(None, use_errno=True)
number, connect = {"x86_64": (41, 42), "aarch64": (198, 203)}[os.uname().machine]
descriptor = libc.syscall(number, 2, 1, 0)
if descriptor >= 0:
    address = b"\x02\x00" + int("@PORT@").to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    if libc.syscall(connect, descriptor, address, 16) == 0:
        print("BREACH raw connect")
