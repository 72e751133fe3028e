# tries: reaching the world: TCP, UDP, name look-ups
# kind: hostile
# outcomes: finished
# limits: cpu=2 wall=6
# gap LIMITS_ONLY: the network is open
import socket

for kind, address in (
    (socket.SOCK_STREAM, ("192.0.2.1", 80)),  # reserved for documentation: nobody answers
    (socket.SOCK_DGRAM, ("192.0.2.1", 53)),
):
    try:
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(0.3)
            client.connect(address)
            client.send(b"breach")
        print("BREACH sent to", address)
    except OSError:
        pass
try:
    print("BREACH resolved", socket.getaddrinfo("localhost.example", 80))
except OSError:
    pass
