# tries: random numbers with and without a seed, secrets, the system's own
# kind: innocent
# outcomes: finished
# prints: [81, 14, 3] 16 True
import os
import random
import secrets

random.seed(42)
first = [random.randrange(100) for _ in range(3)]
print(first, len(os.urandom(16)), secrets.token_hex(4) != secrets.token_hex(4))
