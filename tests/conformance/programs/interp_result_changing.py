# tries: a container that changes while it is encoded
# kind: hostile
# outcomes: finished raised
# result: result
import threading


class Growing(dict):
    def items(self):
        return [(1, 2)] * 10

    def __iter__(self):
        raise SystemExit(0)


result = Growing({i: i for i in range(1000)})


def change():
    for i in range(10**6):
        result[i % 2000] = i
        result.pop(i % 1999, None)


threading.Thread(target=change, daemon=True).start()
