# tries: recursion without a limit
# kind: hostile
# outcomes: raised killed out_of_memory timed_out_cpu
# limits: cpu=2 wall=5
import sys

sys.setrecursionlimit(10**9)


class Chain:
    def __getattr__(self, name):
        return getattr(self, name + "x")


def go(n):
    return [go(n + 1) for _ in (1,)]


try:
    Chain().a
except RecursionError:
    pass
go(0)
