"""General templates about lists, dictionaries, sets and classes."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

from collections import Counter, deque
from itertools import chain

from recipes.data.bioinformatics_turns.drawing import WORDS, integer, number, pick, several
from recipes.data.bioinformatics_turns.template import template


@template(
    """
    ? Create a dictionary $p with the prices $prices and a dict $c with the basket $basket.
    ? Assign the prices $prices to $p and the bought amounts $basket to $c.
    $p = $prices
    $c = $basket
    ? Compute the cost of each article in the basket as a dict $t; skip articles without a price.
    ? Let $t be a dictionary of price times amount for the articles of $c that are in $p.
    $t = {name: $p[name] * n for name, n in $c.items() if name in $p}
    ? Add up the costs as $s, and take off $off percent if the sum is above $limit.
    ? Store the sum of the costs in $s. If it is more than $limit, reduce it by $off percent.
    $s = sum($t.values())
    if $s > $limit:
        $s *= 1 - $off / 100
    ? Print the sum with two decimals.
    ? Print $s, formatted to exactly two decimals.
    print(f"{$s:.2f}")
    """,
    prices=lambda d: {word: d.randint(1, 40) for word in d.sample(WORDS[:10], 4)},
    basket=lambda d: {word: d.randint(1, 5) for word in d.sample([*d["prices"], WORDS[12]], 3)},
    off=pick(5, 10, 20),
    limit=pick(40, 60, 80),
    p="prices|price_list|catalog",
    c="basket|cart|order",
    t="costs|lines|by_article",
    s="total|bill|sum_due",
)
def bill(prices: dict[str, int], basket: dict[str, int], off: int, limit: int) -> str:
    """In cents."""
    total = sum(100 * n * prices.get(name, 0) for name, n in basket.items())
    cents = total * (100 - off) // 100 if total > 100 * limit else total
    return f"{cents // 100}.{cents % 100:02d}"


@template(
    """
    ? Assign the nested list $nested to $l.
    ? Let $l be $nested.
    $l = $nested
    ? Flatten it into a single list $f.
    ? Make one flat list $f of all the numbers in the inner lists.
    $f = [value for inner in $l for value in inner]
    ? Remove duplicates but keep the order of first appearance; name the result $u.
    ? Create a list $u of the different numbers, each at the place of its first occurrence.
    $u = list(dict.fromkeys($f))
    ? Print every second item of $u, starting with the first.
    ? Print the items of $u at the even indices 0, 2, 4 and so on.
    print($u[::2])
    """,
    nested=several(several(integer(0, 9), 1, 4), 3, 5),
    l="nested|lists|groups",
    f="flat|values|numbers",
    u="unique|distinct|different",
)
def every_second(nested: list[list[int]]) -> list[int]:
    """By searching earlier items."""
    flat = list(chain.from_iterable(nested))
    firsts = [x for i, x in enumerate(flat) if x not in flat[:i]]
    return [x for i, x in enumerate(firsts) if i % 2 == 0]


@template(
    """
    ? Let $a be the set of $one and $b the set of $two.
    ? Create the sets $a and $b from the lists $one and $two.
    $a = set($one)
    $b = set($two)
    ? Store the items that are in exactly one of them in $x.
    ? Let $x be the symmetric difference of the two sets.
    $x = $a ^ $b
    ? Store the items that are in both in $y.
    ? Let $y be their intersection.
    $y = $a & $b
    ? Print the sum of $x minus the sum of $y.
    ? Subtract the sum of the shared items from the sum of the others, and print the difference.
    print(sum($x) - sum($y))
    """,
    one=several(integer(1, 15), 4, 7),
    two=several(integer(1, 15), 4, 7),
    a="left|first|mine",
    b="right|second|yours",
    x="only_one|exclusive|either",
    y="both|common|shared",
)
def exclusive_minus_shared(one: list[int], two: list[int]) -> int:
    """Number by number."""
    return sum(n if (n in one) != (n in two) else -n for n in range(16) if n in one or n in two)


@template(
    """
    ? Assign the list of dictionaries $people to $l.
    ? Store the records $people in a list named $l.
    $l = $people
    ? Select those with an age of at least $age as $s.
    ? Keep the records whose "age" is $age or more in a list $s.
    $s = [person for person in $l if person["age"] >= $age]
    ? Sort them by age from old to young, and by name if the ages are equal. Call the sorted list $o.
    ? Let $o be these records in descending order of age; equal ages are in alphabetical order of the names.
    $o = sorted($s, key=lambda person: (-person["age"], person["name"]))
    ? Print the names in this order, one per line.
    ? Print the names in $o, each on its own line.
    print("\\n".join(person["name"] for person in $o))
    """,
    people=lambda d: [
        {"name": name, "age": d.choice((31, 35, 42, 58, 60))}
        for name in d.sample(("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus"), d.randint(4, 6))
    ],
    age=pick(30, 35, 40),
    l="people|records|persons",
    s="selected|older|chosen",
    o="ordered|ranking|by_age",
)
def names_by_age(people: list[dict[str, object]], age: int) -> str:
    """By two sorts."""
    rows = sorted((str(p["name"]), int(str(p["age"]))) for p in people)
    rows.sort(key=lambda row: row[1], reverse=True)
    return "\n".join(name for name, years in rows if not years < age)


@template(
    """
    ? Define a class $t for a bank account with an attribute "balance", which is 0 at the start.
    ? Write a class $t whose constructor takes no arguments and sets the attribute "balance" to 0.
    class $t:
        def __init__(self):
            self.balance = 0
    ? Write a function $f(account, amount) that adds the amount to the balance, but leaves it unchanged and returns False if it would become negative; otherwise it returns True.
    ? Define $f, which takes an account and an amount. If balance plus amount is below 0 it returns False, else it changes the balance and returns True.
    def $f(account, amount):
        if account.balance + amount < 0:
            return False
        account.balance += amount
        return True
    ? Create an account $a and book the amounts $amounts one after another; store the results in a list $r.
    ? Make an instance $a. Apply the function to it with each of the amounts $amounts and keep what it returns in a list $r.
    $a = $t()
    $r = [$f($a, amount) for amount in $amounts]
    ? Print the final balance and the number of refused bookings.
    ? Print the balance of $a, and how many results are False.
    print($a.balance, $r.count(False))
    """,
    amounts=several(lambda d: d.choice((-1, 1)) * d.randint(1, 30), 5, 8),
    t="Account|BankAccount|Wallet",
    f="book|change|transfer",
    a="account|mine|wallet",
    r="results|done|accepted",
)
def bank_account(amounts: list[int]) -> str:
    """With plain numbers."""
    balance = refused = 0
    for amount in amounts:
        balance, refused = (
            (balance + amount, refused) if balance >= -amount else (balance, refused + 1)
        )
    return f"{balance} {refused}"


@template(
    """
    ? Assign the graph $graph to a dictionary $g; it maps each node to the list of its neighbours.
    ? Let $g be the graph $graph as a dict of lists.
    $g = $graph
    ? Create a dictionary $d with the distance 0 for the node "a", and a list $q that contains only "a".
    ? Start a breadth-first search: $d is the dict {"a": 0} and $q the list ["a"].
    $d = {"a": 0}
    $q = ["a"]
    ? Go through $q. Each neighbour without a distance gets the distance of its node plus 1 and is appended to $q.
    ? For every node in $q, give its neighbours that are not in $d yet a distance that is one higher, and add them to the end of $q.
    for node in $q:
        for neighbour in $g[node]:
            if neighbour not in $d:
                $d[neighbour] = $d[node] + 1
                $q.append(neighbour)
    ? Print the distance of "${goal}", or -1 if it cannot be reached.
    ? Print what $d has for "${goal}", and -1 if there is nothing.
    print($d.get("${goal}", -1))
    """,
    graph=lambda d: {
        node: sorted(d.sample("abcdef", d.randint(1, 2)) + (["b"] if node == "a" else []))
        for node in "abcdef"
    },
    goal=pick("c", "d", "e", "f"),
    g="graph|edges|links",
    d="distances|steps|levels",
    q="queue|waiting|todo",
)
def steps_to(graph: dict[str, list[str]], goal: str) -> int:
    """By growing a set."""
    reached, steps = {"a"}, 0
    while goal not in reached:
        more = reached.union(*(graph[node] for node in reached))
        if more == reached:
            return -1
        reached, steps = more, steps + 1
    return steps


@template(
    """
    ? Create a list $l = $values.
    ? Assign $values to the list $l.
    $l = $values
    ? Rotate it by $n places to the right and store the result as $r: the last $n items come first.
    ? Move the last $n items to the front. Name the new list $r.
    $r = $l[-$n:] + $l[:-$n]
    ? Pair each item of $l with the item of $r at the same place, as a list $p of tuples.
    ? Make a list $p of the tuples (item of $l, item of $r) at each index.
    $p = list(zip($l, $r))
    ? Print the sum of the products of the pairs.
    ? Multiply the two numbers of each pair, and print the sum.
    print(sum(a * b for a, b in $p))
    """,
    values=several(integer(-5, 12), 5, 8),
    n=integer(1, 4),
    l="values|numbers|original",
    r="rotated|turned|shifted",
    p="pairs|both|together",
)
def rotated_products(values: list[int], n: int) -> int:
    """With a deque."""
    turned = deque(values)
    turned.rotate(n)
    return sum(map(int.__mul__, values, turned))


@template(
    """
    ? Let $s be the text $text.
    ? Assign $text to $s.
    $s = $text
    ? Create an empty list $k as a stack and a flag $o with the value True.
    ? Start with a list $k without items and set $o to True.
    $k = []
    $o = True
    ? Go through $s: push opening brackets, and for a closing one pop the last and set the flag to False if the two do not belong together or the stack is empty.
    ? For each character: append "(", "[" or "{" to $k. For a closing bracket, remove the last item; set $o to False if there is none or it is of another kind.
    for c in $s:
        if c in "([{":
            $k.append(c)
        elif c in ")]}":
            if not $k or $k.pop() + c not in ("()", "[]", "{}"):
                $o = False
    ? Print True if the flag is still True and the stack is empty, else False.
    ? Print whether all brackets are balanced: $o is True and nothing is left in $k.
    print($o and not $k)
    """,
    text=lambda d: (
        d.choice(("(a[b]c)", "x{y(z)}", "[(])", "((a)", "{[()]}", "(p)(q)", "f(x)[i]", "{a(b}c)"))
        + d.choice(("", "+(1)", "[2]", "{}", "-1", "{y}"))
        + d.choice(("", "/z", "*[k]", "{e}", "]"))
    ),
    s="text|formula|code",
    k="stack|opened|waiting",
    o="ok|balanced|valid",
)
def balanced(text: str) -> bool:
    """By removing pairs until none is left."""
    left = "".join(c for c in text if c in "()[]{}")
    while any(pair in left for pair in ("()", "[]", "{}")):
        left = left.replace("()", "").replace("[]", "").replace("{}", "")
    return not left


@template(
    """
    ? Assign the votes $votes to a list named $l.
    ? Store the list of votes $votes in $l.
    $l = $votes
    ? Count the votes of each candidate in a dictionary $d.
    ? Make a dict $d from each name to the number of its votes.
    $d = {}
    for name in $l:
        $d[name] = $d.get(name, 0) + 1
    ? Sort the candidates by votes, most first, and alphabetically in a tie. Store the list of (name, votes) tuples in $r.
    ? Let $r be the list of the items of $d in descending order of the votes, with equal ones ordered by name.
    $r = sorted($d.items(), key=lambda item: (-item[1], item[0]))
    ? Print the winner, and the share of all votes in percent as an integer, rounded down.
    ? Print the first name in $r and its percentage of all votes without decimals (floor).
    print($r[0][0], $r[0][1] * 100 // len($l))
    """,
    votes=several(pick("ann", "bob", "cy", "di"), 7, 13),
    l="votes|ballots|poll",
    d="counts|tally|by_name",
    r="ranking|result|ordered",
)
def winner(votes: list[str]) -> str:
    """By a counter."""
    counts = Counter(sorted(votes)).most_common(1)[0]
    return f"{counts[0]} {int(100 * counts[1] / len(votes) + 1e-9)}"


@template(
    """
    ? Let $l be the measurements $values.
    ? Assign the list $values to $l.
    $l = $values
    ? Define a function $f(items, size) that splits a list into chunks of a given size; the last one may be shorter.
    ? Write $f, which takes a list and a size and returns a list of consecutive parts with that many items (fewer in the last).
    def $f(items, size):
        return [items[i : i + size] for i in range(0, len(items), size)]
    ? Split $l into chunks of $n and compute the mean of each chunk, rounded to 2 decimals, as $m.
    ? Use it with size $n on $l. Store the list of the means of the parts, to two decimals, in $m.
    $m = [round(sum(part) / len(part), 2) for part in $f($l, $n)]
    ? Print the index of the chunk with the lowest mean; the first one in a tie.
    ? At which index is the smallest mean? Print the first such index.
    print($m.index(min($m)))
    """,
    values=several(number(0, 30), 7, 12),
    n=integer(2, 3),
    l="values|samples|readings",
    f="chunks|split|in_parts",
    m="means|averages|levels",
)
def lowest_chunk(values: list[float], n: int) -> int:
    """With integers of tenths."""
    means: dict[int, float] = {}
    for start in range(0, len(values), n):
        part = values[start : start + n]
        means[start // n] = round(sum(part) / len(part), 2)
    return min(means, key=lambda i: (means[i], i))
