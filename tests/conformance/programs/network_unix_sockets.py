# tries: Unix sockets of the machine, by path and by abstract name, connected and datagram
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the account's sockets are open
import socket

for name in ("@DROP@/socket", "\0@ABSTRACT@", "/run/dbus/system_bus_socket", "/var/run/docker.sock"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.settimeout(1)
                client.connect(name)
                client.send(b"breach")
            print("BREACH connected", repr(name))
        except OSError:
            pass
# A socket from socketpair is a socket as well: what if it is connected anew, or sends onwards?
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    try:
        left, right = socket.socketpair(socket.AF_UNIX, kind)
    except OSError:
        continue
    for name in ("@DROP@/datagrams", "\0@ABSTRACT@-datagrams", "@DROP@/socket", "\0@ABSTRACT@"):
        for what, attempt in {
            "connect": lambda: left.connect(name),
            "sendto": lambda: left.sendto(b"breach", name),
            "sendmsg": lambda: left.sendmsg([b"breach"], [], 0, name),
        }.items():
            try:
                attempt()
                right.setblocking(False)
                right.recv(100)  # some kinds ignore the name and send to their peer
            except BlockingIOError:
                print("BREACH socketpair", what, repr(name))
            except OSError:
                pass
