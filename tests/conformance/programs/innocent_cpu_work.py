# tries: a second or so of honest work, under the limit
# kind: innocent
# outcomes: finished
# prints: 9592
# limits: cpu=8 wall=25
sieve = bytearray([1]) * 100_000
sieve[0:2] = b"\0\0"
for _ in range(20):
    for number in range(2, 317):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
print(sum(sieve))
