# tries: netlink, raw and packet sockets, vsock, bluetooth and the kernel's crypto
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the network is open
import socket

for family, kind, protocol in (
    (socket.AF_NETLINK, socket.SOCK_RAW, 0),
    (socket.AF_PACKET, socket.SOCK_RAW, 3),
    (socket.AF_INET, socket.SOCK_RAW, 1),
    (socket.AF_INET, socket.SOCK_DGRAM, 1),
    (socket.AF_ALG, socket.SOCK_SEQPACKET, 0),
    (socket.AF_VSOCK, socket.SOCK_STREAM, 0),
    (socket.AF_CAN, socket.SOCK_RAW, 1),
    (31, socket.SOCK_RAW, 1),
    (38, 5, 0),
    (44, socket.SOCK_RAW, 0),
):
    try:
        socket.socket(family, kind, protocol)
    except OSError:
        continue
    print("BREACH socket", family, kind, protocol)
