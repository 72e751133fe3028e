"""Templates about alignments of sequences and the distances between them."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from itertools import combinations

from recipes.data.bioinformatics_turns.drawing import Draw, dna, pick
from recipes.data.bioinformatics_turns.template import template


def _changed(draw: Draw, text: str, share: float = 0.25) -> str:
    """A text of the same length with other letters here and there."""
    return "".join(draw.choice("ACGT") if draw.random() < share else base for base in text)


def _gapped(draw: Draw, text: str) -> str:
    """A text with changed letters and gaps."""
    return "".join("-" if draw.random() < 0.15 else base for base in _changed(draw, text))


@template(
    """
    ? Assign $one to $a and $two to $b.
    ? Create two variables: $a with $one and $b with $two.
    $a = $one
    $b = $two
    ? List the 0-based positions where they differ, as $d.
    ? Let $d be the list of indices at which $a and $b have different letters.
    $d = [i for i, (x, y) in enumerate(zip($a, $b)) if x != y]
    ? Compute the proportion of positions that differ and call it $p.
    ? Divide the number of differences by the length of $a and store it in $p.
    $p = len($d) / len($a)
    ? Print $p rounded to 3 decimals.
    ? Print the proportion to three decimal places.
    print(round($p, 3))
    """,
    one=dna(9, 22),
    two=lambda d: _changed(d, d["one"], 0.4),
    a="first|seq1|left",
    b="second|seq2|right",
    d="differences|mismatches|sites",
    p="distance|p_distance|share",
)
def p_distance(one: str, two: str) -> float:
    """One minus the share of equal letters."""
    return round(1 - sum(map(str.__eq__, one, two)) / len(one), 3)


@template(
    """
    ? Store the aligned sequences $one and $two in $a and $b.
    ? Let $a be $one and $b be $two; they are aligned.
    $a = $one
    $b = $two
    ? Make a list $c of the pairs of letters in which neither letter is a gap ("-").
    ? Collect the columns without "-" as tuples in a list called $c.
    $c = [(x, y) for x, y in zip($a, $b) if "-" not in (x, y)]
    ? Count the pairs with equal letters as $n.
    ? How many of the pairs are identical? Save it as $n.
    $n = sum(x == y for x, y in $c)
    ? Print the percent identity over these columns with one decimal and a percent sign.
    ? Print $n as a percentage of the number of pairs, with 1 decimal, followed by "%".
    print(f"{100 * $n / len($c):.1f}%")
    """,
    base=dna(12, 22),
    one=lambda d: "A" + _gapped(d, d["base"]),
    two=lambda d: "A" + _gapped(d, d["base"]),
    a="top|query|seq_a",
    b="bottom|subject|seq_b",
    c="columns|pairs|ungapped",
    n="same|identical|matches",
)
def identity_without_gaps(one: str, two: str) -> str:
    """By a counter."""
    counts = Counter(zip(one, two, strict=True))
    equal = sum(counts[base, base] for base in "ACGT")
    gaps = sum(count for pair, count in counts.items() if "-" in pair)
    return f"{equal / (len(one) - gaps) * 100:.1f}%"


@template(
    """
    ? Assign the aligned sequences $one and $two to the variables $a and $b.
    ? Set $a to $one and $b to $two.
    $a = $one
    $b = $two
    ? Write a function $f(x, y) that returns $match if two letters are equal, $gap if one of them is "-", and $mismatch otherwise.
    ? Define $f, which scores a pair of letters: $gap if either is a gap "-", $match if they are equal, else $mismatch.
    def $f(x, y):
        if "-" in (x, y):
            return $gap
        return $match if x == y else $mismatch
    ? Compute the score of each column as a list $l.
    ? Apply the function to every column of the alignment; the list of scores is $l.
    $l = [$f(x, y) for x, y in zip($a, $b)]
    ? Print the total score.
    ? Print the sum of $l.
    print(sum($l))
    """,
    base=dna(8, 16),
    one=lambda d: d["base"],
    two=lambda d: _gapped(d, d["base"]),
    match=pick(1, 2, 3),
    mismatch=pick(-1, -2),
    gap=pick(-2, -3, -4),
    a="row1|upper|s1",
    b="row2|lower|s2",
    f="score|pair_score|points",
    l="scores|values|column_scores",
)
def alignment_score(one: str, two: str, match: int, mismatch: int, gap: int) -> int:
    """Counts times points."""
    gaps = two.count("-") + one.count("-")
    equal = sum(1 for i in range(len(one)) if one[i] == two[i])
    return gaps * gap + equal * match + (len(one) - gaps - equal) * mismatch


@template(
    """
    ? Let $a be $one and $b be $two.
    ? Assign $one to $a and $two to $b.
    $a = $one
    $b = $two
    ? Write a function $f(s, t) that computes the edit distance of two strings with a single row of the dynamic programming table.
    ? Define $f(s, t): the Levenshtein distance, where insertions, deletions and substitutions cost 1.
    def $f(s, t):
        row = list(range(len(t) + 1))
        for i, x in enumerate(s, 1):
            above = row
            row = [i]
            for j, y in enumerate(t, 1):
                row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        return row[-1]
    ? Compute it for $a and $b and store it as $n.
    ? Let $n be the distance of $a and $b.
    $n = $f($a, $b)
    ? Print it.
    ? Print $n.
    print($n)
    """,
    one=dna(5, 10),
    two=dna(5, 10),
    a="source|word1|x1",
    b="target|word2|x2",
    f="edit_distance|levenshtein|distance",
    n="edits|steps|cost",
)
def edit_distance(one: str, two: str) -> int:
    """By recursion."""

    @cache
    def best(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        change = best(i - 1, j - 1) + (one[i - 1] != two[j - 1])
        return min(change, best(i - 1, j) + 1, best(i, j - 1) + 1)

    return best(len(one), len(two))


@template(
    """
    ? Create a list $l of the aligned sequences $seqs.
    ? Assign $seqs to a list named $l.
    $l = $seqs
    ? For each column, find the most frequent letter; in a tie take the first in the alphabet. Join these letters as $c.
    ? Build the consensus $c: the commonest letter of each column, where the alphabetically smallest wins a tie.
    $c = "".join(max(sorted(set(column)), key=column.count) for column in zip(*$l))
    ? Count how many letters of each sequence differ from the consensus, in a list $d.
    ? Compute the Hamming distance of each sequence from $c and keep the numbers as $d.
    $d = [sum(x != y for x, y in zip(seq, $c)) for seq in $l]
    ? Print the consensus and the list of differences, separated by a space.
    ? Print $c and then $d.
    print($c, $d)
    """,
    start=dna(6, 10),
    seqs=lambda d: [_changed(d, d["start"], 0.4) for _ in range(d.randint(3, 5))],
    l="alignment|rows|seqs",
    c="consensus|common|majority",
    d="distances|differences|deviations",
)
def consensus(seqs: list[str]) -> str:
    """Columns by counters."""
    letters_ = []
    for place in range(len(seqs[0])):
        counts = Counter(seq[place] for seq in seqs)
        letters_.append(min(counts, key=lambda base: (-counts[base], base)))
    away = [sum(seq[i] != letters_[i] for i in range(len(seq))) for seq in seqs]
    return f"{''.join(letters_)} {away}"


@template(
    """
    ? Assign the sequences $one and $two to $a and $b.
    ? Store $one as $a and $two as $b.
    $a = $one
    $b = $two
    ? Create a set $p with the letters A and G, the purines.
    ? Let $p be the set of purines, "A" and "G".
    $p = {"A", "G"}
    ? Collect the pairs of different letters at the same position in a list $d.
    ? List the substitutions: tuples of the letters of $a and $b where these are unequal. Call the list $d.
    $d = [(x, y) for x, y in zip($a, $b) if x != y]
    ? A transition is a change inside the purines or inside the pyrimidines. Count the transitions as $t.
    ? Count the pairs in $d of which both or neither are in $p. These are transitions; store the number as $t.
    $t = sum((x in $p) == (y in $p) for x, y in $d)
    ? Print the number of transitions and the number of transversions (all other differences).
    ? Print $t and the number of the remaining pairs.
    print($t, len($d) - $t)
    """,
    one=dna(14, 26),
    two=lambda d: _changed(d, d["one"], 0.5),
    a="ancestor|before|seq1",
    b="descendant|after|seq2",
    p="purines|ag|large",
    d="changes|substitutions|pairs",
    t="transitions|ts|mild",
)
def transitions(one: str, two: str) -> str:
    """By the names of changes."""
    changes = [x + y for x, y in zip(one, two, strict=True) if x != y]
    count = len([change for change in changes if change in ("AG", "GA", "CT", "TC")])
    return f"{count} {len(changes) - count}"


@template(
    """
    ? Import the math module.
    ? Import math.
    import math
    ? Let $a be the sequence $one and $b the sequence $two.
    ? Assign $one to $a and $two to $b.
    $a = $one
    $b = $two
    ? Calculate the share of positions with different letters as $p.
    ? Let $p be the number of mismatches divided by the length.
    $p = sum(x != y for x, y in zip($a, $b)) / len($a)
    ? Compute the Jukes-Cantor distance -3/4 * ln(1 - 4/3 * p) with this share, and store it as $d.
    ? Let $d be minus three quarters of the natural logarithm of 1 - 4 * $p / 3.
    $d = -0.75 * math.log(1 - 4 * $p / 3)
    ? Print $d to 4 decimals.
    ? Round the distance to 4 decimals and print it.
    print(round($d, 4))
    """,
    one=dna(20, 30),
    two=lambda d: _changed(d, d["one"], 0.3),
    a="human|seq_a|s1",
    b="mouse|seq_b|s2",
    p="share|p|different",
    d="distance|jc|evolved",
)
def jukes_cantor(one: str, two: str) -> float:
    """With another form of the logarithm."""
    equal = len([i for i in range(len(one)) if one[i] == two[i]]) / len(one)
    return round(0.75 * math.log(3 / (4 * equal - 1)), 4)


@template(
    """
    ? Create a dictionary $d of sequences by name: $seqs.
    ? Assign $seqs to a dict named $d.
    $d = $seqs
    ? Write a function $f(a, b) that counts the positions where two strings of the same length differ.
    ? Define $f, the Hamming distance of two strings.
    def $f(a, b):
        return sum(x != y for x, y in zip(a, b))
    ? Compute the distances of all pairs of names with itertools.combinations. Store them in a dict $p, whose keys are tuples of two names.
    ? Import combinations from itertools, and build a dictionary $p from each pair of names (a tuple, in the order of $d) to their distance.
    from itertools import combinations
    $p = {(a, b): $f($d[a], $d[b]) for a, b in combinations($d, 2)}
    ? Find the closest pair: the first one with the smallest distance. Name it $c.
    ? Let $c be the pair with the lowest distance, the earliest of them in a tie.
    $c = min($p, key=$p.get)
    ? Print the two names with a dash between them.
    ? Print both names of $c, joined by "-".
    print("-".join($c))
    """,
    start=dna(7, 10),
    seqs=lambda d: {
        name: _changed(d, d["start"], 0.5)
        for name in d.sample(("cat", "dog", "pig", "cow", "ape", "rat"), d.randint(3, 5))
    },
    d="species|seqs|taxa",
    f="hamming|difference|mismatches",
    p="distances|pairs|table",
    c="closest|nearest|best",
)
def closest_pair(seqs: dict[str, str]) -> str:
    """Sorted pairs."""
    pairs = list(combinations(seqs, 2))
    away = [sum(map(str.__ne__, seqs[a], seqs[b])) for a, b in pairs]
    return "-".join(pairs[away.index(min(away))])


@template(
    """
    ? Assign $one to $a and $two to $b.
    ? Let $a = $one and $b = $two.
    $a = $one
    $b = $two
    ? Create a numpy array $m of zeros (integers) with a row for each letter of $a and a column for each letter of $b.
    ? Make an integer matrix of zeros named $m, with len($a) rows and len($b) columns.
    $m = np.zeros((len($a), len($b)), dtype=int)
    ? Set the entries where the two letters are equal to 1, which gives a dot plot.
    ? Put a 1 in row i and column j wherever letter i of $a is the same as letter j of $b.
    for i, x in enumerate($a):
        for j, y in enumerate($b):
            if x == y:
                $m[i, j] = 1
    ? Compute the number of dots on each diagonal, from the offset -(len($a) - 1) to len($b) - 1, as a list $d of integers.
    ? Sum the diagonals of $m from the lowest left corner to the upper right one, and store the sums as the list $d.
    $d = [int(np.trace($m, offset=k)) for k in range(1 - len($a), len($b))]
    ? Print the largest sum.
    ? Print the maximum of $d.
    print(max($d))
    """,
    one=dna(6, 13),
    two=dna(6, 13),
    a="rows|vertical|s1",
    b="cols|horizontal|s2",
    m="dots|plot|matrix",
    d="diagonals|sums|totals",
)
def best_diagonal(one: str, two: str) -> int:
    """Counts by the difference of places."""
    return max(
        Counter(
            {j - i: 0 for i in range(len(one)) for j in range(len(two))}
            | Counter(j - i for i in range(len(one)) for j in range(len(two)) if one[i] == two[j])
        ).values()
    )


@template(
    """
    ? Store the aligned row $row in $s.
    ? Assign $row to the variable $s.
    $s = $row
    ? Make a list $m with the index in $s of each letter that is not a gap ("-").
    ? For each residue of $s (all letters except "-"), store its 0-based column in the list $m.
    $m = [i for i, letter in enumerate($s) if letter != "-"]
    ? Write a function $f that takes the 1-based number of a residue and returns its 1-based column.
    ? Define $f(n): the column, counted from 1, of the residue number n, also counted from 1.
    def $f(n):
        return $m[n - 1] + 1
    ? Print the columns of the first, the third and the last residue as a list.
    ? Use it to print a list of the columns of residues number 1, 3 and the last one.
    print([$f(1), $f(3), $f(len($m))])
    """,
    row=lambda d: "-" * d.randint(0, 2) + d.text("MKLV-", 8, 14) + "GAW" + "-" * d.randint(0, 2),
    s="row|aligned|gapped",
    m="places|columns|mapping",
    f="column_of|to_column|column",
)
def residue_columns(row: str) -> list[int]:
    """By what stands before."""
    ends = [i + 1 for i in range(len(row)) if row[i] != "-"]
    third = next(i for i in ends if i - row[:i].count("-") == 3)
    return [len(row) - len(row.lstrip("-")) + 1, third, len(row.rstrip("-"))]


@template(
    """
    ? Assign the list of alignment rows $rows to $l.
    ? Let $l be the list $rows.
    $l = $rows
    ? Compute the fraction of gaps ("-") in each column as a list $g.
    ? For every column of the rows, calculate which fraction of its letters is "-". The list is called $g.
    $g = [column.count("-") / len($l) for column in zip(*$l)]
    ? Find the columns with a fraction of at most $limit; store their indices in $k.
    ? Let $k be the list of the 0-based columns whose gap fraction is not more than $limit.
    $k = [i for i, share in enumerate($g) if share <= $limit]
    ? Create the rows with only these columns as a list $t.
    ? Reduce each row to the columns in $k and store the new rows in $t.
    $t = ["".join(row[i] for i in $k) for row in $l]
    ? Print the rows of $t, joined with "/".
    ? Print $t with a slash between the rows.
    print("/".join($t))
    """,
    start=dna(7, 11),
    rows=lambda d: [
        "".join("-" if d.random() < 0.3 else base for base in d["start"])
        for _ in range(d.randint(3, 4))
    ],
    limit=pick(0.25, 0.35, 0.5),
    l="rows|alignment|msa",
    g="gap_share|gaps|fractions",
    k="keep|columns|chosen",
    t="trimmed|reduced|short",
)
def without_gappy_columns(rows: list[str], limit: float) -> str:
    """Columns chosen first, then transposed back."""
    chosen = [c for c in zip(*rows, strict=True) if Counter(c)["-"] <= limit * len(rows)]
    return "/".join("".join(c[i] for c in chosen) for i in range(len(rows)))
