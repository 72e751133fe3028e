# tries: a pair of connected sockets and pipes within the program
# kind: innocent
# outcomes: finished
# prints: b'ping' b'pong'
import os
import select
import socket

left, right = socket.socketpair()
left.sendall(b"ping")
reader, writer = os.pipe()
os.write(writer, b"pong")
assert select.select([reader], [], [], 1)[0] == [reader]
print(right.recv(10), os.read(reader, 10))
