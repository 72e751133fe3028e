"""Templates about intervals, coordinates and coverage."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

from itertools import groupby

from recipes.data.bioinformatics_turns.drawing import Draw, integer, pick, several
from recipes.data.bioinformatics_turns.template import template


def _span(draw: Draw) -> tuple[int, int]:
    """Start and end, not empty."""
    start = draw.randint(0, 40)
    return start, start + draw.randint(3, 15)


def _pairs(draw: Draw) -> list[list[int]]:
    return [list(_span(draw)) for _ in range(draw.randint(3, 6))]


@template(
    """
    ? Create a list $l of half-open intervals: $spans.
    ? Assign the intervals $spans (start included, end excluded) to $l.
    $l = $spans
    ? Sort them by start and end into a new list $o.
    ? Let $o be the sorted intervals.
    $o = sorted($l)
    ? Merge intervals that overlap or touch, and store the merged ones as lists [start, end] in $m.
    ? Go through $o and build a list $m of merged [start, end] lists; intervals that share a position or meet at an end become one.
    $m = []
    for start, end in $o:
        if $m and start <= $m[-1][1]:
            $m[-1][1] = max($m[-1][1], end)
        else:
            $m.append([start, end])
    ? Print $m.
    ? Print the merged intervals.
    print($m)
    """,
    spans=_pairs,
    l="intervals|regions|spans",
    o="ordered|in_order|by_start",
    m="merged|union|blocks",
)
def merged(spans: list[list[int]]) -> list[list[int]]:
    """By runs of half positions, so that intervals that touch are one run."""
    marked = sorted({p for start, end in spans for p in range(2 * start, 2 * end + 1)})
    runs = [list(g) for _, g in groupby(enumerate(marked), key=lambda pair: pair[1] - pair[0])]
    return [[run[0][1] // 2, run[-1][1] // 2] for run in runs]


@template(
    """
    ? Assign $one to the tuple $a and $two to the tuple $b. They are half-open intervals (start, end).
    ? Let $a be the interval $one and $b the interval $two, both with the end excluded.
    $a = $one
    $b = $two
    ? Write a function $f(x, y) that returns how many positions two intervals have in common, and 0 if there are none.
    ? Define $f, which takes two half-open intervals and returns the length of their overlap (never negative).
    def $f(x, y):
        return max(0, min(x[1], y[1]) - max(x[0], y[0]))
    ? Apply it to $a and $b, and divide by the length of the shorter one. Call the result $r.
    ? Compute the overlap of the two as a fraction of the length of the shorter interval and save it in $r.
    $r = $f($a, $b) / min($a[1] - $a[0], $b[1] - $b[0])
    ? Print $r rounded to 2 decimals.
    ? Print the fraction, to two decimals.
    print(round($r, 2))
    """,
    one=_span,
    two=lambda d: (s := max(0, d["one"][0] + d.randint(-6, 8)), s + d.randint(4, 14)),
    a="exon|first|gene",
    b="read|second|peak",
    f="overlap|shared|common",
    r="fraction|ratio|covered",
)
def overlap_fraction(one: tuple[int, int], two: tuple[int, int]) -> float:
    """By sets of positions."""
    x, y = set(range(*one)), set(range(*two))
    return round(len(x & y) / min(len(x), len(y)), 2)


@template(
    """
    ? Store the read positions $reads in a list $l. Each is a start and an end, 0-based, with the end excluded.
    ? Let $l be the list of half-open reads $reads on a reference.
    $l = $reads
    ? Create a list $c with $size zeros, one for each reference position.
    ? Make $c, a list of $size zeros for the depth of every position.
    $c = [0] * $size
    ? Add 1 to each position for every read that covers it.
    ? For each read in $l increase the depth of all its positions by one.
    for start, end in $l:
        for i in range(start, end):
            $c[i] += 1
    ? Compute the fraction of positions with a depth of at least $deep, as $b.
    ? Which share of the positions has depth $deep or more? Store it in $b.
    $b = sum(depth >= $deep for depth in $c) / len($c)
    ? Print the highest depth and this fraction rounded to 3 decimals.
    ? Print the maximum of $c, a space, and $b to three decimals.
    print(max($c), round($b, 3))
    """,
    size=integer(20, 40),
    deep=pick(1, 2),
    reads=lambda d: [
        [s := d.randint(0, d["size"] - 8), s + d.randint(3, 8)] for _ in range(d.randint(4, 7))
    ],
    l="reads|alignments|spans",
    c="depth|coverage|counts",
    b="breadth|share|covered",
)
def depth_and_breadth(reads: list[list[int]], size: int, deep: int) -> str:
    """By differences at the ends."""
    changes = [0] * (size + 1)
    for start, end in reads:
        changes[start] += 1
        changes[end] -= 1
    depths = [sum(changes[: i + 1]) for i in range(size)]
    return f"{max(depths)} {round(len([d for d in depths if d >= deep]) / size, 3)}"


@template(
    """
    ? Assign the BED line $line to $t; its fields are separated by tabs.
    ? Let $t be $line, a line of a BED file.
    $t = $line
    ? Split it at the tabs into the variables $c, $b and $e. Make $b and $e integers.
    ? Store the three fields as $c (text), $b and $e (both integers).
    $c, $b, $e = $t.split("\\t")
    $b, $e = int($b), int($e)
    ? BED is 0-based and half-open. Convert it to a 1-based region with an inclusive end, as a string like "chr1:5-9" named $r.
    ? Write the same region as chromosome:start-end with 1-based positions, both included. Store the text in $r.
    $r = f"{$c}:{$b + 1}-{$e}"
    ? Print the region and its length, separated by a space.
    ? Print $r and the number of bases in it.
    print($r, $e - $b)
    """,
    line=lambda d: f"chr{d.choice('1237XY')}\t{(s := d.randint(0, 5000))}\t{s + d.randint(1, 900)}",
    t="line|bed|row",
    c="chrom|chromosome|name",
    b="start|begin|left",
    e="end|stop|right",
    r="region|location|text",
)
def bed_to_region(line: str) -> str:
    """By the positions themselves."""
    name, *ends = line.split()
    positions = [zero_based + 1 for zero_based in range(*map(int, ends))]
    return f"{name}:{positions[0]}-{positions[-1]} {len(positions)}"


@template(
    """
    ? Let $x be the list of exons $exons, with 1-based starts and inclusive ends.
    ? Assign $exons to $x. These are exons as (start, end), 1-based, and the end belongs to the exon.
    $x = $exons
    ? Compute the length of each exon and store the list as $n.
    ? Make a list $n of the exon lengths; both ends count.
    $n = [end - start + 1 for start, end in $x]
    ? The introns are between the exons. Build the list $i of introns in the same convention.
    ? Create a list $i of (start, end) tuples of the introns: from one after an exon to one before the next exon.
    $i = [(a[1] + 1, b[0] - 1) for a, b in zip($x, $x[1:])]
    ? Print the total exon length, then the length of the longest intron.
    ? Print the sum of $n and the largest number of bases in one intron, separated by a space.
    print(sum($n), max(end - start + 1 for start, end in $i))
    """,
    exons=lambda d: [
        (s, s + d.randint(5, 60))
        for s in (100 + 120 * i + d.randint(0, 40) for i in range(d.randint(2, 4)))
    ],
    x="exons|blocks|parts",
    n="lengths|sizes|exon_lengths",
    i="introns|gaps|between",
)
def exons_and_introns(exons: list[tuple[int, int]]) -> str:
    """By sets of positions."""
    inside = {p for start, end in exons for p in range(start, end + 1)}
    outside = [p for p in range(min(inside), max(inside)) if p not in inside]
    runs = [list(g) for _, g in groupby(enumerate(outside), key=lambda pair: pair[1] - pair[0])]
    return f"{len(inside)} {max(map(len, runs))}"


@template(
    """
    ? Assign the dictionary of genes $genes to $d. Each gene has a start and an end, both included.
    ? Create a dict named $d with the genes $genes, given as name: [first position, last position].
    $d = $genes
    ? Let $p be the list of peak positions $peaks.
    ? Store the positions $peaks as $p.
    $p = $peaks
    ? Write a function $f(position, span) that returns the distance of a position to a span, which is 0 inside it.
    ? Define $f. It takes a position and a [start, end] list and returns 0 if the position is inside (ends included), otherwise the distance to the nearer end.
    def $f(position, span):
        start, end = span
        return max(start - position, 0, position - end)
    ? For each peak find the nearest gene; the first gene of $d wins a tie. Save the list of names as $n.
    ? Make a list $n with the name of the closest gene of every peak, where ties go to the gene that is earlier in $d.
    $n = [min($d, key=lambda gene: $f(peak, $d[gene])) for peak in $p]
    ? Print the names, separated by commas.
    ? Join $n with "," and print the text.
    print(",".join($n))
    """,
    genes=lambda d: {
        name: [s := d.randint(1, 200), s + d.randint(5, 40)]
        for name in d.sample(("abc1", "def2", "ghi3", "jkl4", "mno5"), d.randint(2, 4))
    },
    peaks=several(integer(1, 240), 3, 5),
    d="genes|annotation|spans",
    p="peaks|summits|positions",
    f="distance|gap|away",
    n="nearest|names|closest",
)
def nearest_genes(genes: dict[str, list[int]], peaks: list[int]) -> str:
    """By the closest position of every gene."""
    found = []
    for peak in peaks:
        away = [min(abs(p - peak) for p in range(s, e + 1)) for s, e in genes.values()]
        found.append(list(genes)[away.index(min(away))])
    return ",".join(found)


@template(
    """
    ? Set $s to $start, $e to $end and $w to $width.
    ? Assign $start to $s, $end to $e and $width to $w.
    $s = $start
    $e = $end
    $w = $width
    ? Divide the half-open region from $s to $e into bins of $w positions, as a list $b of (start, end) tuples. The last bin ends at $e.
    ? Make a list $b of half-open bins (start, end) with width $w from $s on; the last one may be shorter, since it stops at $e.
    $b = [(i, min(i + $w, $e)) for i in range($s, $e, $w)]
    ? Count how many of the positions $hits are in each bin, in a list $c.
    ? Let $c be the number of items of $hits inside each bin.
    $c = [sum(i <= hit < j for hit in $hits) for i, j in $b]
    ? Print $c.
    ? Print the list of counts.
    print($c)
    """,
    start=integer(0, 20),
    end=lambda d: d["start"] + d.randint(25, 60),
    width=integer(8, 15),
    hits=lambda d: sorted(d.randint(d["start"], d["end"] - 1) for _ in range(d.randint(4, 8))),
    s="start|left|low",
    e="end|right|high",
    w="width|bin_size|step",
    b="bins|windows|boxes",
    c="counts|per_bin|histogram",
)
def binned(start: int, end: int, width: int, hits: list[int]) -> list[int]:
    """By division."""
    counts = [0] * -(-(end - start) // width)
    for hit in hits:
        counts[(hit - start) // width] += 1
    return counts


@template(
    """
    ? Let $n be the length of a contig, $size, and $l the list of features $spans on its forward strand (0-based, half-open).
    ? Assign $size to $n and the half-open intervals $spans to $l.
    $n = $size
    $l = $spans
    ? Convert each feature to the coordinates of the reverse strand: the new start is $n minus the old end, the new end $n minus the old start. Name the list of tuples $r.
    ? Flip the intervals to the reverse strand as a list $r of tuples ($n - end, $n - start).
    $r = [($n - end, $n - start) for start, end in $l]
    ? Sort $r in place.
    ? Sort the new list by position, without making another one.
    $r.sort()
    ? Print the start of the first feature and the end of the last one.
    ? Print the first start and the last end in $r, on one line.
    print($r[0][0], $r[-1][1])
    """,
    size=integer(70, 120),
    spans=lambda d: sorted(
        [s := d.randint(0, 55), s + d.randint(2, 14)] for _ in range(d.randint(2, 4))
    ),
    n="length|contig_length|size",
    l="features|genes|intervals",
    r="flipped|reverse|other_strand",
)
def flipped(size: int, spans: list[list[int]]) -> str:
    """By mirrored positions."""
    mirrored = sorted(sorted(size - 1 - p for p in range(*span)) for span in spans)
    last = max(mirrored, key=lambda run: (run[0], run[-1]))
    return f"{mirrored[0][0]} {last[-1] + 1}"


@template(
    """
    ? Create the lists $a = $one and $b = $two of half-open intervals.
    ? Assign $one to $a and $two to $b. Both are lists of intervals whose end is excluded.
    $a = $one
    $b = $two
    ? Make a list $k with the intervals of $a that overlap none of $b.
    ? Keep in $k every interval of $a which shares no position with any interval of $b.
    $k = [x for x in $a if all(x[1] <= y[0] or y[1] <= x[0] for y in $b)]
    ? Compute the number of positions in $k as $t, if none of them is counted twice.
    ? Let $t be the number of different positions that $k covers.
    $t = len({i for start, end in $k for i in range(start, end)})
    ? Print the number of intervals that remain and $t.
    ? Print how many intervals $k has, then $t.
    print(len($k), $t)
    """,
    one=_pairs,
    two=lambda d: [list(_span(d)) for _ in range(d.randint(1, 2))],
    a="peaks|calls|query",
    b="blacklist|masked|repeats",
    k="kept|clean|outside",
    t="total|covered|bases",
)
def outside_masks(one: list[list[int]], two: list[list[int]]) -> str:
    """By sets."""
    masked = set().union(*(range(*span) for span in two))
    free = [set(range(*span)) for span in one if masked.isdisjoint(range(*span))]
    return f"{len(free)} {len(set().union(*free))}"
