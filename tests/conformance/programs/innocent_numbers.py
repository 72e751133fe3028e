# tries: decimal, fractions, statistics, large numbers, bits, hashes
# kind: innocent
# outcomes: finished
# prints: 0.3333333333 5/6 2.5 9332 ba7816bf
import decimal
import fractions
import hashlib
import math
import statistics
import uuid

decimal.getcontext().prec = 10
thirds = decimal.Decimal(1) / 3
assert uuid.uuid4() != uuid.uuid4()
print(
    thirds,
    fractions.Fraction(1, 2) + fractions.Fraction(1, 3),
    statistics.median([1, 2, 3, 4]),
    str(math.factorial(100))[:4],
    hashlib.sha256(b"abc").hexdigest()[:8],
)
