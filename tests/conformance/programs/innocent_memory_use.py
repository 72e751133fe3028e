# tries: a few hundred megabytes, under the limit
# kind: innocent
# outcomes: finished
# prints: 300
# limits: memory=1G cpu=8 wall=25
block = bytearray(300 << 20)
block[:: 1 << 20] = b"x" * 300
print(block.count(b"x"))
