# tries: honest recursion, a few thousand deep with a higher limit
# kind: innocent
# outcomes: finished
# prints: 20000 832040
import functools
import sys

sys.setrecursionlimit(50_000)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


print(depth(20_000), fibonacci(30))
