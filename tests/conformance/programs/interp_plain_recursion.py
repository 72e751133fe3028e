# tries: the recursion of an honest mistake
# kind: hostile
# outcomes: raised
# line: 6
def go(n):
    return go(n + 1)


go(0)
