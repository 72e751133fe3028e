# tries: much output, just under the cap
# kind: innocent
# outcomes: finished
# prints: 199999
for number in range(150_000, 200_000):
    print(number)
