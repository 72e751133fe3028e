"""Every specification of the examples is right: another hand's solution prints what it expects."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from multiturn.synthesis.execution import output_matches
from multiturn.synthesis.specification_files import read_specifications

EXAMPLES = Path(__file__).parents[2] / "examples"


def bakery_order(prices, order):
    total = sum(prices[item] * count for item, count in order.items())
    return round(total * 0.9 if total > 20 else total, 2)


def delayed_train(departure, trip, delay):
    hours, minutes = map(int, departure.split(":"))
    arrival = (hours * 60 + minutes + trip + delay) % 1440
    return f"{arrival // 60:02}:{arrival % 60:02}"


def garden_beds(beds):
    return math.ceil(round(sum(length * width for length, width in beds) * 0.2 / 0.05, 6))


def best_word(words):
    values = {word: sum(ord(letter) - 96 for letter in word) for word in words}
    best = max(values, key=values.__getitem__)
    return f"{best} {values[best]}"


def book_shelf(limit, books):
    by_year = sorted(books, key=lambda book: book[2])
    return [title for title, pages, _ in by_year if pages > limit]


def days_between(first, second):
    return (date(*second) - date(*first)).days


def shifted_letters(note, by):
    return "".join(chr((ord(c) - 97 + by) % 26 + 97) if c.islower() else c for c in note)


def stack_machine(expression):
    stack = []
    for token in expression.split():
        if token in "+-*":
            b, a = stack.pop(), stack.pop()
            stack.append({"+": a + b, "-": a - b, "*": a * b}[token])
        else:
            stack.append(int(token))
    return stack[-1]


def run_lengths(text):
    return "".join(f"{letter}{len(list(run))}" for letter, run in itertools.groupby(text))


def warm_days(celsius, limit):
    return sum(degrees * 9 / 5 + 32 > limit for degrees in celsius)


def restock(stock, least):
    return ", ".join(sorted(item for item, left in stock.items() if left < least))


def savings_account(first, second, third):
    balance = first
    for amount in (second, third):
        balance -= amount if amount <= balance else 0
    return balance


def digit_steps(number):
    steps = 0
    while number > 9:
        number, steps = sum(map(int, str(number))), steps + 1
    return f"{number} {steps}"


def weekend_dates(days):
    return sum(date.fromisoformat(day).isoweekday() > 5 for day in days)


def table_seating(names, size):
    names = sorted(names)
    return names[(len(names) - 1) // size * size :]


def acrostic(lines):
    return "".join(line[0] for line in lines).upper()


def turned_grid(rows):
    return [list(column) for column in zip(*reversed(rows), strict=True)]


def prime_factors(number):
    factors = []
    while number > 1:
        factors.append(next(d for d in range(2, number + 1) if number % d == 0))
        number //= factors[-1]
    return f"{factors}\n{len(set(factors))}"


def bracket_depth(text):
    depths = list(itertools.accumulate((c == "(") - (c == ")") for c in text))
    return max(depths) if depths[-1] == 0 else -1


def no_vowels(text):
    short = text.translate(str.maketrans("", "", "aeiou"))
    return f"{short}\n{len(text) - len(short)}"


def split_the_bill(paid):
    share = sum(paid.values()) / len(paid)
    return {name: round(share - amount, 2) for name, amount in paid.items() if amount < share}


def waiting_line(wanted, person):
    mine = wanted[person]
    return sum(min(n, mine if at <= person else mine - 1) for at, n in enumerate(wanted))


def playlist(songs):
    total = sum(seconds for _, seconds in songs)
    return f"{total // 60}:{total % 60:02}"


def same_letters(words):
    groups = Counter("".join(sorted(word)) for word in words)
    most = groups.most_common(1)[0][0]
    return sorted(word for word in words if "".join(sorted(word)) == most)


def square_colours(one, two):
    return sum(map(ord, one)) % 2 == sum(map(ord, two)) % 2


def meeting_overlap(first, second):
    (a, b), (c, d) = (
        [int(time[:2]) * 60 + int(time[3:]) for time in times] for times in (first, second)
    )
    return len(set(range(a, b)) & set(range(c, d)))


def change(coins, amount):
    given = {}
    for coin in sorted(coins, reverse=True):
        count, amount = divmod(amount, coin)
        if count:
            given[coin] = count
    return given


def dry_days(rain):
    runs = [len(list(run)) for dry, run in itertools.groupby(rain, lambda fall: fall == 0) if dry]
    return max(runs, default=0)


def settings_line(line):
    pairs = [part.split("=") for part in line.split(";")]
    name, _ = max(pairs, key=lambda pair: int(pair[1]))
    return f"{name}\n{sum(int(value) for _, value in pairs)}"


def walk_home(moves):
    steps = {"N": 1j, "S": -1j, "E": 1, "W": -1}
    end = sum(steps[move[0]] * int(move[1:]) for move in moves)
    return int(abs(end.real) + abs(end.imag))


def a_week_of_weather():
    week = {"Mon": 12, "Tue": 15, "Wed": 11, "Thu": 18, "Fri": 14}
    chart = [f"{day} {'#' * degrees}" for day, degrees in week.items()]
    average = f"Average: {sum(week.values()) / len(week)}"
    return "\n".join([*chart, average, f"Warmest: {max(week, key=week.__getitem__)}"])


SPECIFICATIONS = [
    specification
    for path in sorted(EXAMPLES.glob("*.yaml"))
    for specification in read_specifications(path)
]


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda found: found.name)
def test_a_reference_solution_prints_what_is_expected(specification):
    solution: Callable[..., object] = globals()[specification.name.replace(" ", "_")]
    cases = specification.cases or [specification]
    for case in cases:
        printed = f"{solution(**{**specification.variables, **case.variables})}\n"
        assert output_matches(printed, case.expect), printed


def test_there_are_enough_and_they_differ():
    assert len(SPECIFICATIONS) >= 25
    assert len({specification.name for specification in SPECIFICATIONS}) == len(SPECIFICATIONS)
    assert all(3 <= len(specification.turns) <= 8 for specification in SPECIFICATIONS)
    # A program that ignores its input cannot meet both of its cases.
    several = [found.cases for found in SPECIFICATIONS if found.cases]
    assert all(len({str(case.expect) for case in cases}) > 1 for cases in several if len(cases) > 1)
