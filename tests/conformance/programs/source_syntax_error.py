# tries: a program that does not parse
# kind: hostile
# outcomes: syntax_error
# line: 6
x = 1
def f(:
    return 0
