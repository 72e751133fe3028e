# tries: listening, so that somebody outside can come in
# kind: hostile
# outcomes: finished
# gap LIMITS_ONLY: the network is open
import socket

for address in ("127.0.0.1", "0.0.0.0"):
    try:
        with socket.socket() as server:
            server.bind((address, 0))
            server.listen(1)
            with socket.create_connection(server.getsockname(), timeout=1):
                print("listening inside", server.getsockname())
            print("BREACH listened and connected")
    except OSError:
        pass
