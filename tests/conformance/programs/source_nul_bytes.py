# tries: a NUL byte in the source
# kind: hostile
# outcomes: syntax_error
# replace: <NUL> with \x00
print("before")
x = "<NUL>"
