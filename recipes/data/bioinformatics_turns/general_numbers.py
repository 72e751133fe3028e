"""General templates about numbers, dates and small algorithms."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import calendar
import math
from datetime import date, datetime, timedelta
from functools import reduce
from itertools import accumulate, combinations

from recipes.data.bioinformatics_turns.drawing import Draw, integer, number, pick, several
from recipes.data.bioinformatics_turns.template import template


def _date(draw: Draw) -> str:
    return (date(2019, 1, 1) + timedelta(draw.randint(0, 2500))).isoformat()


@template(
    """
    ? Set $n to $limit.
    ? Let $n be the number $limit.
    $n = $limit
    ? Write a function $f that tests whether a number is prime.
    ? Define $f(number), which returns True for prime numbers and False otherwise.
    def $f(number):
        return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))
    ? Collect all primes up to and including $n in a list $p.
    ? Make a list $p of the primes that are not larger than $n.
    $p = [i for i in range(2, $n + 1) if $f(i)]
    ? Print the number of primes and the largest one.
    ? Print how many there are, and then the last one, on one line.
    print(len($p), $p[-1])
    """,
    limit=integer(10, 250),
    n="limit|maximum|top",
    f="is_prime|prime|check_prime",
    p="primes|found|prime_numbers",
)
def primes(limit: int) -> str:
    """By a sieve."""
    sieve = set(range(2, limit + 1))
    for i in range(2, limit):
        sieve -= set(range(2 * i, limit + 1, i))
    return f"{len(sieve)} {max(sieve)}"


@template(
    """
    ? Assign the numbers $one and $two to $a and $b.
    ? Let $a be $one and $b be $two.
    $a = $one
    $b = $two
    ? Define a function $f that computes the greatest common divisor with the algorithm of Euclid.
    ? Write Euclid's algorithm as a function $f(x, y) that returns the greatest common divisor.
    def $f(x, y):
        while y:
            x, y = y, x % y
        return x
    ? Use it to compute the least common multiple of $a and $b, named $m.
    ? Let $m be the product of $a and $b divided by their greatest common divisor, as an integer.
    $m = $a * $b // $f($a, $b)
    ? Print $m.
    ? Print the least common multiple.
    print($m)
    """,
    one=integer(4, 120),
    two=integer(4, 120),
    a="first|x1|width",
    b="second|x2|height",
    f="gcd|euclid|common_divisor",
    m="lcm|multiple|smallest",
)
def least_common_multiple(one: int, two: int) -> int:
    """By trying multiples."""
    return next(m for m in range(one, one * two + 1, one) if m % two == 0)


@template(
    """
    ? Assign the date $day, a text, to $s.
    ? Let $s be the string $day.
    $s = $day
    ? Import date from datetime and convert $s to a date object named $d.
    ? From the datetime module import date and timedelta, and parse $s as an ISO date $d.
    from datetime import date, timedelta
    $d = date.fromisoformat($s)
    ? Compute the date $n days later and call it $e.
    ? Add $n days to it and store the new date in $e.
    $e = $d + timedelta(days=$n)
    ? Print the new date as a text in ISO format.
    ? Print $e like "2024-01-31".
    print($e.isoformat())
    """,
    day=_date,
    n=integer(10, 400),
    s="text|start|day_text",
    d="day|begin|first_day",
    e="later|end|due",
)
def later_day(day: str, n: int) -> str:
    """By the number of the day."""
    return str(date.fromordinal(date(*map(int, day.split("-"))).toordinal() + n))


@template(
    """
    ? Create a list $l of dates as texts: $days.
    ? Assign $days to the list $l.
    $l = $days
    ? Parse each of them with datetime.date.fromisoformat into a sorted list $d.
    ? Import datetime, convert the texts to dates, and keep them sorted in $d.
    import datetime
    $d = sorted(datetime.date.fromisoformat(text) for text in $l)
    ? Compute the number of days between neighbouring dates as a list $g.
    ? Let $g be the list of differences in days from each date to the next one.
    $g = [(b - a).days for a, b in zip($d, $d[1:])]
    ? Print the longest gap.
    ? Print the maximum of $g.
    print(max($g))
    """,
    days=several(_date, 3, 6, different=True),
    l="texts|days|raw",
    d="dates|ordered|calendar",
    g="gaps|differences|waits",
)
def longest_gap(days: list[str]) -> int:
    """By counting days from the year 1."""

    def count(text: str) -> int:
        year, month, day = map(int, text.split("-"))
        whole = sum(calendar.monthrange(year, m)[1] for m in range(1, month))
        return 365 * (year - 1) + calendar.leapdays(1, year) + whole + day

    numbers = sorted(map(count, days))
    return max(numbers[i + 1] - numbers[i] for i in range(len(numbers) - 1))


@template(
    """
    ? Let $s be the time $time.
    ? Assign the duration $time (hours:minutes:seconds) to $s.
    $s = $time
    ? Convert it to seconds and store the number in $n.
    ? Split it at the colons and compute the total number of seconds $n.
    hours, minutes, seconds = map(int, $s.split(":"))
    $n = hours * 3600 + minutes * 60 + seconds
    ? Multiply the seconds by $k, and split the product into hours $h, minutes $m and seconds $r with divmod.
    ? Let $h, $m and $r be the hours, minutes and remaining seconds of $k times $n.
    $m, $r = divmod($n * $k, 60)
    $h, $m = divmod($m, 60)
    ? Print them in the form h:mm:ss, with two digits for minutes and seconds.
    ? Print the new duration as hours, minutes and seconds with colons; minutes and seconds have two digits.
    print(f"{$h}:{$m:02d}:{$r:02d}")
    """,
    time=lambda d: f"{d.randint(0, 5)}:{d.randint(0, 59):02d}:{d.randint(0, 59):02d}",
    k=integer(2, 9),
    s="time|duration|text",
    n="total|in_seconds|amount",
    h="h|new_hours|full_hours",
    m="m|new_minutes|rest_minutes",
    r="s|new_seconds|rest",
)
def multiplied_time(time: str, k: int) -> str:
    """By the clock of a day."""
    h, m, s = time.split(":")
    length = k * timedelta(hours=int(h), minutes=int(m), seconds=int(s))
    hours = length // timedelta(hours=1)
    return f"{hours}:{datetime.min + length % timedelta(hours=1):%M:%S}"


@template(
    """
    ? Assign $values to a list named $l.
    ? Store the numbers $values in a list $l.
    $l = $values
    ? Build the list $c of cumulative sums.
    ? Let $c be the running totals of $l.
    $c = []
    total = 0
    for value in $l:
        total += value
        $c.append(total)
    ? Count how many of these sums are greater than $limit, as $n.
    ? Let $n be the number of items of $c above $limit.
    $n = sum(value > $limit for value in $c)
    ? Print $n and the last sum.
    ? Print $n, a space, and the final total.
    print($n, $c[-1])
    """,
    values=several(integer(-9, 20), 5, 9),
    limit=integer(5, 30),
    l="values|numbers|steps",
    c="sums|cumulative|running",
    n="count|above|high",
)
def sums_above(values: list[int], limit: int) -> str:
    """By accumulate."""
    sums = list(accumulate(values))
    return f"{len([x for x in sums if x > limit])} {sum(values)}"


@template(
    """
    ? Let $m be the matrix $rows, a list of rows.
    ? Assign the nested list $rows to $m.
    $m = $rows
    ? Transpose it into a list of lists named $t.
    ? Let $t be the transposed matrix, again a list of lists.
    $t = [list(column) for column in zip(*$m)]
    ? Multiply $m by $t and store the product as $p.
    ? Compute the matrix product of $m and $t, without numpy, as $p.
    $p = [[sum(x * y for x, y in zip(row, col)) for col in $m] for row in $m]
    ? Print the sum of the diagonal of $p.
    ? Print the trace of the product.
    print(sum($p[i][i] for i in range(len($p))))
    """,
    width=integer(2, 4),
    rows=lambda d: [[d.randint(-5, 9) for _ in range(d["width"])] for _ in range(d.randint(2, 3))],
    m="matrix|grid|table",
    t="transposed|columns|flipped",
    p="product|result|squared",
)
def trace_of_product(rows: list[list[int]]) -> int:
    """The sum of all squares."""
    return sum(x**2 for row in rows for x in row)


@template(
    """
    ? Assign the temperatures $values in degrees Celsius to a numpy array $a.
    ? Create a numpy array $a from the list $values, temperatures in Celsius.
    $a = np.array($values)
    ? Convert it to Fahrenheit (times 1.8, plus 32) as $b.
    ? Let $b be $a in degrees Fahrenheit: multiply by 1.8 and add 32.
    $b = $a * 1.8 + 32
    ? Make a boolean mask $k that is True where the Fahrenheit value is above the mean of $b.
    ? Let $k be the mask of the values of $b that are larger than the mean of $b.
    $k = $b > $b.mean()
    ? Print the Celsius values selected by the mask, as a list.
    ? Print $a at the True places of $k, converted to a Python list.
    print($a[$k].tolist())
    """,
    values=several(number(-20, 40), 5, 8, different=True),
    a="celsius|temps|degrees_c",
    b="fahrenheit|converted|degrees_f",
    k="mask|above|warm",
)
def above_mean(values: list[float]) -> list[float]:
    """In tenths of a degree."""
    tenths = [round(10 * x) for x in values]
    return [x for x, t in zip(values, tenths, strict=True) if t * len(tenths) > sum(tenths)]


@template(
    """
    ? Let $l be the sorted list $values and $x the number $target.
    ? Assign the sorted numbers $values to $l and $target to $x.
    $l = $values
    $x = $target
    ? Write a function $f that finds the first index at which a number could be inserted into a sorted list so that it stays sorted, by binary search.
    ? Define $f(items, number) with a binary search: the index of the first item that is not less than the number.
    def $f(items, number):
        low, high = 0, len(items)
        while low < high:
            middle = (low + high) // 2
            if items[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low
    ? Store its result for $l and $x in $i.
    ? Call the function with $l and $x, and name the index $i.
    $i = $f($l, $x)
    ? Print the index, followed by True if the item at this place is $x and False otherwise.
    ? Print $i, and whether $x is in the list at that index.
    print($i, $i < len($l) and $l[$i] == $x)
    """,
    values=lambda d: sorted(d.choices(range(1, 40), k=d.randint(6, 11))),
    target=lambda d: d.choice((d.choice(d["values"]), d.randint(0, 41))),
    l="numbers|ordered|values",
    x="target|wanted|needle",
    f="find|lower_bound|binary_search",
    i="place|index|position",
)
def insertion_place(values: list[int], target: int) -> str:
    """By counting smaller items."""
    return f"{sum(value < target for value in values)} {target in values}"


@template(
    """
    ? Set $n to the number $start.
    ? Let $n be $start.
    $n = $start
    ? Put $n into a list $l. While its last number is not 1, append half of it if it is even, else three times it plus 1.
    ? Build the Collatz sequence of $n as a list $l: even numbers are halved, odd ones become 3 * x + 1, until 1 is reached.
    $l = [$n]
    while $l[-1] != 1:
        last = $l[-1]
        $l.append(last // 2 if last % 2 == 0 else 3 * last + 1)
    ? Find the largest number of the sequence and call it $m.
    ? Let $m be the maximum of $l.
    $m = max($l)
    ? Print the number of steps (one less than the length of the list) and $m.
    ? Print how many steps it took to reach 1 and then the maximum.
    print(len($l) - 1, $m)
    """,
    start=integer(3, 200),
    n="start|number|seed",
    l="sequence|path|orbit",
    m="highest|peak|top",
)
def collatz(start: int) -> str:
    """By recursion."""

    def run(n: int) -> tuple[int, int]:
        if n == 1:
            return 0, 1
        steps, peak = run(3 * n + 1 if n % 2 else n // 2)
        return steps + 1, max(peak, n)

    return "{} {}".format(*run(start))


@template(
    """
    ? Assign $amount to $n; it is the amount of a deposit.
    ? Let $n be the deposit, $amount.
    $n = $amount
    ? Set the yearly interest rate $r to $rate percent, as a number like 0.05.
    ? Store the interest rate of $rate percent as a fraction of 1 in $r.
    $r = $rate / 100
    ? Create a list $b with the balance after each of $years years, each rounded to 2 decimals; interest is added once a year to the rounded balance.
    ? For $years years, add the interest and round to two decimals. Keep the balances after each year in a list $b.
    $b = []
    balance = $n
    for _ in range($years):
        balance = round(balance * (1 + $r), 2)
        $b.append(balance)
    ? Print the last balance with two decimals.
    ? Print the final balance, formatted with exactly 2 decimals.
    print(f"{$b[-1]:.2f}")
    """,
    amount=integer(100, 5000),
    rate=pick(1, 2, 4, 5),
    years=integer(2, 5),
    n="deposit|amount|principal",
    r="rate|interest|yearly",
    b="balances|history|yearly_balances",
)
def compound_interest(amount: int, rate: int, years: int) -> str:
    """By folding."""
    last = reduce(lambda now, _: round(now * (100 + rate) / 100, 2), range(years), float(amount))
    return format(last, ".2f")


@template(
    """
    ? Store the points $points in a list $l of (x, y) tuples.
    ? Assign the list of points $points to $l.
    $l = $points
    ? Import math and itertools.
    ? Import the modules itertools and math.
    import itertools
    import math
    ? Compute the distances of all pairs of points in a list $d.
    ? Let $d be the Euclidean distances between every two points.
    $d = [math.dist(p, q) for p, q in itertools.combinations($l, 2)]
    ? Print the largest distance, rounded to 2 decimals.
    ? Print the maximum of $d, rounded to two decimals.
    print(round(max($d), 2))
    """,
    points=several(lambda d: (d.randint(-10, 10), d.randint(-10, 10)), 3, 5, different=True),
    l="points|places|coordinates",
    d="distances|lengths|gaps",
)
def widest_distance(points: list[tuple[int, int]]) -> float:
    """The root of the largest square."""
    squares = [(a - c) ** 2 + (b - d) ** 2 for (a, b), (c, d) in combinations(points, 2)]
    return round(math.sqrt(max(squares)), 2)
