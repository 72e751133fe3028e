# tries: handing back a value of every plain kind
# kind: innocent
# outcomes: finished
# result: answer
# value: 42
answer = {
    "tuple": (1, 2.0, True, None),
    "set": {1, 2},
    "bytes": b"\x00\xff",
    "complex": 1j,
    "nested": [{"a": [()]}],
}
answer = 42 if answer else answer
