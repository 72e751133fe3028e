"""Templates about expression tables, statistics and trees."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import math
import re
import statistics
from collections import Counter

from recipes.data.bioinformatics_turns.drawing import Draw, integer, number, pick, several
from recipes.data.bioinformatics_turns.template import template

_GENES = ("abcA", "dnaK", "recA", "gyrB", "rpoD", "ftsZ", "lexA", "tufB")


def _counts(draw: Draw) -> dict[str, list[int]]:
    """Counts of some genes in three or four samples."""
    samples = draw.randint(3, 4)
    return {
        gene: [draw.choice((0, draw.randint(1, 20), draw.randint(1, 200))) for _ in range(samples)]
        for gene in draw.sample(_GENES, draw.randint(3, 5))
    }


@template(
    """
    ? Assign the read counts $counts and the gene lengths $lengths (in bases) to the dictionaries $c and $l.
    ? Let $c be the counts $counts and $l the lengths $lengths of the genes.
    $c = $counts
    $l = $lengths
    ? Divide each count by the length in kilobases. Keep the rates in a dict $r.
    ? Build a dictionary $r of reads per kilobase: count / (length / 1000) for each gene.
    $r = {gene: count / ($l[gene] / 1000) for gene, count in $c.items()}
    ? Scale the rates so that they add up to a million; store the TPM values rounded to 1 decimal in $t.
    ? Compute TPM as a dict $t: each rate divided by the sum of the rates, times 1000000, rounded to one decimal.
    total = sum($r.values())
    $t = {gene: round(rate / total * 1_000_000, 1) for gene, rate in $r.items()}
    ? Print the gene with the highest TPM and its value.
    ? Print the name of the gene whose value in $t is largest, a space, and that value.
    print(max($t, key=$t.get), max($t.values()))
    """,
    lengths=lambda d: {gene: d.randint(3, 40) * 100 for gene in d.sample(_GENES, d.randint(3, 4))},
    counts=lambda d: {gene: d.randint(5, 400) for gene in d["lengths"]},
    c="counts|reads|raw",
    l="lengths|sizes|gene_lengths",
    r="rates|rpk|per_kb",
    t="tpm|scaled|expression",
)
def highest_tpm(counts: dict[str, int], lengths: dict[str, int]) -> str:
    """By shares of the product with the other lengths."""
    rates = sorted((counts[g] / lengths[g], g) for g in counts)
    total = math.fsum(rate for rate, _ in rates)
    return f"{rates[-1][1]} {round(1e6 * rates[-1][0] / total, 1)}"


@template(
    """
    ? Create a dictionary $d with the counts of each gene in the samples: $counts.
    ? Assign the expression table $counts to $d.
    $d = $counts
    ? Make a dict $e with the genes that have a count of at least $low in $many or more samples.
    ? Filter the table: keep in $e only the genes for which $many or more of the counts are at least $low.
    $e = {gene: row for gene, row in $d.items() if sum(x >= $low for x in row) >= $many}
    ? Print the names of the genes that were removed, sorted, as a list.
    ? Print a sorted list of the genes that are in $d but not in $e.
    print(sorted(set($d) - set($e)))
    """,
    counts=_counts,
    low=pick(5, 10),
    many=pick(2, 3),
    d="table|counts|expression",
    e="kept|filtered|expressed",
)
def removed_genes(counts: dict[str, list[int]], low: int, many: int) -> list[str]:
    """By the n-th highest count."""
    return sorted(gene for gene, row in counts.items() if sorted(row, reverse=True)[many - 1] < low)


@template(
    """
    ? Import the math module.
    ? Import math.
    import math
    ? Let $a be the expression values $control and $b the values $treated, for the same genes $genes in $g.
    ? Assign $genes to $g, the control values $control to $a and the treated values $treated to $b.
    $g = $genes
    $a = $control
    $b = $treated
    ? Compute the log2 fold change of each gene, treated over control with 1 added to both, as the list $f.
    ? Make a list $f of log2((treated + 1) / (control + 1)) for each gene.
    $f = [math.log2((y + 1) / (x + 1)) for x, y in zip($a, $b)]
    ? Collect the genes with an absolute fold change of at least 1 in a list $s.
    ? Let $s be the list of genes whose log2 fold change is 1 or more, or -1 or less.
    $s = [gene for gene, change in zip($g, $f) if abs(change) >= 1]
    ? Print $s.
    ? Print the selected genes.
    print($s)
    """,
    genes=lambda d: d.sample(_GENES, d.randint(4, 6)),
    control=lambda d: [d.randint(0, 60) for _ in d["genes"]],
    treated=lambda d: [d.randint(0, 90) for _ in d["genes"]],
    g="genes|names|ids",
    a="control|before|untreated",
    b="treated|after|drug",
    f="changes|lfc|log_fold",
    s="significant|changed|selected",
)
def changed_genes(genes: list[str], control: list[int], treated: list[int]) -> list[str]:
    """Without logarithms."""
    found = []
    for gene, x, y in zip(genes, control, treated, strict=True):
        small, large = sorted((x + 1, y + 1))
        if large >= 2 * small:
            found.append(gene)
    return found


@template(
    """
    ? Assign the measurements $one and $two to the lists $a and $b.
    ? Let $a be $one and $b be $two.
    $a = $one
    $b = $two
    ? Import the statistics module and compute the means of both lists as $x and $y.
    ? With the module statistics, store the mean of $a in $x and that of $b in $y.
    import statistics
    $x = statistics.mean($a)
    $y = statistics.mean($b)
    ? Compute the sample variance of each list divided by its length, and add the two numbers as $v.
    ? Let $v be variance($a) / len($a) + variance($b) / len($b), with sample variances.
    $v = sum(statistics.variance(x) / len(x) for x in ($a, $b))
    ? Calculate Welch's t: the difference $x - $y divided by the square root of $v. Name it $t.
    ? Store ($x - $y) / sqrt($v), the t statistic, in $t.
    $t = ($x - $y) / $v**0.5
    ? Print $t rounded to 3 decimals.
    ? Print the statistic to three decimals.
    print(round($t, 3))
    """,
    one=several(number(1, 9), 4, 6, different=True),
    two=several(number(2, 12), 4, 6, different=True),
    a="control|group1|wild_type",
    b="case|group2|knockout",
    x="mean1|mean_a|average1",
    y="mean2|mean_b|average2",
    v="variance|spread|squared_error",
    t="t|statistic|welch",
)
def welch(one: list[float], two: list[float]) -> float:
    """By sums of squares."""

    def error(xs: list[float]) -> float:
        n = len(xs)
        return (sum(x * x for x in xs) - sum(xs) ** 2 / n) / (n - 1) / n

    gap = sum(one) / len(one) - sum(two) / len(two)
    return round(gap / math.sqrt(error(one) + error(two)), 3)


@template(
    """
    ? Assign the rows $rows to a numpy array $m; the rows are genes and the columns are samples.
    ? Create a numpy array $m from the list $rows (genes in rows, samples in columns).
    $m = np.array($rows)
    ? Compute the total count of each sample as $s.
    ? Let $s be the sums of the columns.
    $s = $m.sum(axis=0)
    ? Divide by these library sizes and multiply by a million; the array of counts per million is $c.
    ? Normalize $m to counts per million of each sample and call the result $c.
    $c = $m / $s * 1e6
    ? Find the index of the gene with the highest mean over the samples as the int $g.
    ? Store the row number with the largest mean of $c in $g, as an integer.
    $g = int($c.mean(axis=1).argmax())
    ? Print the row number and its mean rounded to the nearest integer.
    ? Print $g, and its mean as a rounded int, with a space between.
    print($g, round(float($c[$g].mean())))
    """,
    columns=pick(2, 3),
    rows=lambda d: [
        [d.randint(1, 99) for _ in range(d["columns"])] for _ in range(d.randint(3, 5))
    ],
    m="counts|matrix|table",
    s="sizes|totals|depths",
    c="cpm|normalized|scaled",
    g="gene|top|row",
)
def highest_cpm(rows: list[list[int]]) -> str:
    """Row by row."""
    totals = [sum(column) for column in zip(*rows, strict=True)]
    means = [1e6 * sum(x / t for x, t in zip(r, totals, strict=True)) / len(r) for r in rows]
    best = max(range(len(rows)), key=means.__getitem__)
    return f"{best} {round(means[best])}"


@template(
    """
    ? Store the p-values $values in a list $p.
    ? Assign the p-values $values to $p.
    $p = $values
    ? Sort them in ascending order as $o, and let $n be their number.
    ? Let $o be the sorted p-values and $n the length of the list.
    $o = sorted($p)
    $n = len($o)
    ? Apply Benjamini-Hochberg: find the largest 1-based rank whose p-value is at most rank / $n * $alpha, or 0 if there is none. Store the rank as $k.
    ? Let $k be the highest rank i (from 1) with $o[i - 1] <= i / $n * $alpha, and 0 if no rank fulfils this.
    $k = 0
    for rank, value in enumerate($o, 1):
        if value <= rank / $n * $alpha:
            $k = rank
    ? Print the number of discoveries, which is $k.
    ? Print $k.
    print($k)
    """,
    values=several(lambda d: round(d.random() ** 3 * 0.4 + 0.0007, 4), 5, 9, different=True),
    alpha=pick(0.05, 0.1, 0.2),
    p="p_values|pvals|tests",
    o="ordered|ascending|ranked",
    n="count|n|tests_done",
    k="last_rank|discoveries|cutoff",
)
def discoveries(values: list[float], alpha: float) -> int:
    """By adjusted values."""
    adjusted, low = [], 1.0
    for rank, value in sorted(enumerate(sorted(values), 1), reverse=True):
        low = min(low, value * len(values) / rank)
        adjusted.append(low)
    return sum(value <= alpha + 1e-12 for value in adjusted)


@template(
    """
    ? Assign the Newick string $tree to $t.
    ? Let $t be the tree $tree in Newick format.
    $t = $tree
    ? Extract the names of the leaves, in order, into a list $l. Names are made of letters.
    ? With the re module, list all leaf names (runs of letters) of $t as $l.
    import re
    $l = re.findall("[A-Za-z]+", $t)
    ? Compute the depth of each leaf, which is the number of brackets that are open at its place, as a dictionary $d.
    ? For each name, count the "(" minus the ")" before it. Store the numbers in a dict $d.
    $d = {}
    for name in $l:
        before = $t[: $t.index(name)]
        $d[name] = before.count("(") - before.count(")")
    ? Print the deepest leaf; the first one in the tree wins a tie.
    ? Print the leaf with the highest depth, the earlier one if there are several.
    print(max($l, key=$d.get))
    """,
    tree=lambda d: (
        _newick(
            d,
            d.sample(
                ("Human", "Mouse", "Frog", "Yeast", "Shark", "Wheat", "Snake", "Crow"),
                d.randint(4, 7),
            ),
        )
        + ";"
    ),
    t="tree|newick|text",
    l="leaves|names|tips",
    d="depths|levels|depth_of",
)
def deepest_leaf(tree: str) -> str:
    """By walking over the tree."""
    depth, best, found = 0, -1, ""
    for token in re.findall(r"\w+|[()]", tree):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token not in "()" and depth > best:
            best, found = depth, token
    return found


def _newick(draw: Draw, names: list[str]) -> str:
    """A binary tree of names in brackets."""
    if len(names) == 1:
        return names[0]
    place = draw.randint(1, len(names) - 1)
    return f"({_newick(draw, names[:place])},{_newick(draw, names[place:])})"


@template(
    """
    ? Let $p be the dictionary $parents, which maps each node of a tree to its parent.
    ? Assign the tree $parents (child to parent) to a dict $p.
    $p = $parents
    ? Write a function $f(node) that returns the list of the node and all its ancestors, from the node to the root.
    ? Define $f, which takes a node and returns its path to the root as a list that starts with the node.
    def $f(node):
        path = [node]
        while path[-1] in $p:
            path.append($p[path[-1]])
        return path
    ? Find the lowest common ancestor of "${x}" and "${y}" and store it in $c.
    ? Let $c be the first node on the path of "${x}" that is on the path of "${y}", too.
    $c = next(node for node in $f("${x}") if node in $f("${y}"))
    ? Print the common ancestor and the number of edges between "${x}" and "${y}".
    ? Print $c, then how many edges lead from "${x}" over $c to "${y}".
    print($c, $f("${x}").index($c) + $f("${y}").index($c))
    """,
    size=integer(6, 9),
    parents=lambda d: {f"n{i}": f"n{d.randint(max(0, i - 3), i - 1)}" for i in range(1, d["size"])},
    x=lambda d: f"n{d['size'] - 1}",
    y=lambda d: f"n{d.randint(2, d['size'] - 2)}",
    p="parent|tree|parents",
    f="lineage|path_to_root|ancestors",
    c="ancestor|lca|common",
)
def common_ancestor(parents: dict[str, str], x: str, y: str) -> str:
    """By going up from the larger number, because parents have smaller ones."""
    steps = 0
    while x != y:
        if int(x[1:]) > int(y[1:]):
            x = parents[x]
        else:
            y = parents[y]
        steps += 1
    return f"{x} {steps}"


@template(
    """
    ? Assign the table $rows to $t. It is text with commas, and its first line has the names of the columns.
    ? Let $t be the CSV text $rows.
    $t = $rows
    ? Read it with csv.DictReader into a list of dictionaries named $l.
    ? Import csv and parse the lines of $t into a list $l of dicts, one for each row.
    import csv
    $l = list(csv.DictReader($t.splitlines()))
    ? Group the values by tissue: a dict $g from each tissue to the list of its values as integers.
    ? Make a dictionary $g. Its keys are the tissues and its values are lists of the "value" column as ints.
    $g = {}
    for row in $l:
        $g.setdefault(row["tissue"], []).append(int(row["value"]))
    ? Compute the median of each group, in a dict $m.
    ? Import median from statistics and build a dict $m of the median of each tissue.
    from statistics import median
    $m = {tissue: median(values) for tissue, values in $g.items()}
    ? Print the tissues ordered by median, from high to low, and by name in a tie, with spaces between them.
    ? Print the names of the tissues, highest median first (equal ones alphabetically), separated by spaces.
    print(" ".join(sorted($m, key=lambda tissue: (-$m[tissue], tissue))))
    """,
    rows=lambda d: (
        "sample,tissue,value\n"
        + "\n".join(
            f"s{i},{d.choice(('liver', 'brain', 'lung', 'skin'))},{d.randint(1, 50)}"
            for i in range(1, d.randint(6, 9))
        )
    ),
    t="text|csv_text|content",
    l="rows|records|samples",
    g="groups|by_tissue|values_of",
    m="medians|middle|summary",
)
def tissues_by_median(rows: str) -> str:
    """By sorting the values of each tissue."""
    cells = [line.split(",") for line in rows.split("\n")[1:]]
    ranks = []
    for tissue in sorted({cell[1] for cell in cells}):
        xs = sorted(int(cell[2]) for cell in cells if cell[1] == tissue)
        ranks.append((-(xs[(len(xs) - 1) // 2] + xs[len(xs) // 2]), tissue))
    return " ".join(tissue for _, tissue in sorted(ranks))


@template(
    """
    ? Store the species counts $counts in a dictionary $d.
    ? Assign the counts of each species, $counts, to $d.
    $d = $counts
    ? Turn the counts into proportions of their total, in a list $p; leave out species with a count of 0.
    ? Make a list $p of each count divided by the sum, without the zeros.
    $p = [count / sum($d.values()) for count in $d.values() if count]
    ? Import log from math and compute the Shannon index, minus the sum of p * log(p), as $h.
    ? Calculate the Shannon diversity $h = -sum(p * ln p) of the proportions, with log from the math module.
    from math import log
    $h = -sum(p * log(p) for p in $p)
    ? Divide $h by the log of the number of species present, and print this evenness to 3 decimals.
    ? Print the evenness, which is $h / log(len($p)), rounded to 3 decimals.
    print(round($h / log(len($p)), 3))
    """,
    counts=lambda d: (
        {"oak": d.randint(1, 30), "fir": d.randint(1, 30)}
        | {
            name: d.choice((0, d.randint(1, 40)))
            for name in d.sample(("elm", "ash", "yew", "pine"), 3)
        }
    ),
    d="counts|species|survey",
    p="proportions|shares|fractions",
    h="shannon|diversity|entropy",
)
def evenness(counts: dict[str, int]) -> float:
    """From logarithms of counts, in base 2."""
    xs = [x for x in counts.values() if x > 0]
    n = sum(xs)
    bits = math.log2(n) - sum(x * math.log2(x) for x in xs) / n
    return round(bits / math.log2(len(xs)), 3)


@template(
    """
    ? Let $g be the gene set $genes and $h the list of hits $hits.
    ? Assign $genes to $g, the genes of a pathway, and $hits to $h, the genes found.
    $g = $genes
    $h = $hits
    ? Count the hits that are in the pathway as $k.
    ? How many genes are in both lists? Store the number in $k.
    $k = len(set($g) & set($h))
    ? Import comb from math. There are $total genes in all. Compute the probability of exactly $k shared genes by the hypergeometric distribution as $p.
    ? With comb from the math module, compute $p, the hypergeometric probability of $k shared genes when len($h) of $total genes are drawn and len($g) are in the pathway.
    from math import comb
    ways = comb(len($g), $k) * comb($total - len($g), len($h) - $k)
    $p = ways / comb($total, len($h))
    ? Print the number of shared genes and the probability with 4 decimals.
    ? Print $k and $p, the latter rounded to four decimals.
    print($k, round($p, 4))
    """,
    genes=lambda d: d.sample(_GENES, d.randint(3, 5)),
    hits=lambda d: d.sample(_GENES, d.randint(2, 5)),
    total=integer(12, 30),
    g="pathway|gene_set|members",
    h="hits|found|significant",
    k="shared|both|overlap",
    p="probability|chance|p",
)
def enrichment(genes: list[str], hits: list[str], total: int) -> str:
    """By drawing one gene after another."""
    shared = sum(Counter(genes)[hit] for hit in hits)
    n, inside, outside = len(hits), len(genes), total - len(genes)
    chance = 1.0
    for i in range(shared):
        chance *= (inside - i) * (n - i) / (i + 1)
    for i in range(n - shared):
        chance *= outside - i
    return f"{shared} {round(chance / math.prod(range(total - n + 1, total + 1)), 4)}"


@template(
    """
    ? Assign the measured values $xs to $a and $ys to $b.
    ? Store the expression of two genes, $xs and $ys, in the lists $a and $b.
    $a = $xs
    $b = $ys
    ? Define a function $f that returns the rank of each value of a list, 1 for the smallest. All values are different.
    ? Write $f(values): a list with the 1-based rank of every value in ascending order (there are no ties).
    def $f(values):
        ordered = sorted(values)
        return [ordered.index(value) + 1 for value in values]
    ? Compute the sum of the squared differences of the ranks of $a and $b as $d.
    ? Let $d be the sum of (rank in $a - rank in $b) squared.
    $d = sum((x - y) ** 2 for x, y in zip($f($a), $f($b)))
    ? Spearman's correlation is 1 - 6 * d / (n * (n * n - 1)). Store it as $r.
    ? Calculate Spearman's rho as $r: one minus 6 times $d over n(n^2 - 1), where n is the number of values.
    $r = 1 - 6 * $d / (len($a) * (len($a) ** 2 - 1))
    ? Print $r rounded to 3 decimals.
    ? Print the correlation to three decimals.
    print(round($r, 3))
    """,
    xs=several(number(0, 20), 5, 7, different=True),
    ys=lambda d: d.sample([x / 2 for x in range(1, 60)], len(d["xs"])),
    a="gene_a|first|x_values",
    b="gene_b|second|y_values",
    f="ranks|rank|to_ranks",
    d="squares|difference|distance",
    r="rho|spearman|correlation",
)
def spearman(xs: list[float], ys: list[float]) -> float:
    """The correlation of ranks."""
    one = [sum(y <= x for y in xs) for x in xs]
    two = [sum(y <= x for y in ys) for x in ys]
    return round(statistics.correlation(one, two), 3)


@template(
    """
    ? Create a nested dictionary $d of the distances between taxa: $table.
    ? Let $d be the distance table $table.
    $d = $table
    ? Find the two taxa with the smallest distance, as a tuple $p; the distance to itself does not count. The pair that comes first in $d wins a tie.
    ? Let $p be the pair (a, b) of different names with the lowest $d[a][b], the first one in a tie.
    pairs = [(a, b) for a in $d for b in $d[a] if a != b]
    $p = min(pairs, key=lambda pair: $d[pair[0]][pair[1]])
    ? Join them into a cluster. Compute its average distance to every other taxon in a dict $n.
    ? For each taxon outside the pair compute the mean of its distances to both of them. Keep the means in a dictionary $n.
    one, two = $p
    $n = {c: ($d[one][c] + $d[two][c]) / 2 for c in $d if c not in $p}
    ? Print the names of the pair joined by "+", and the name of the taxon that is nearest to the cluster.
    ? Print the pair as "a+b", a space, and the key of the smallest value of $n.
    print("+".join($p), min($n, key=$n.get))
    """,
    table=lambda d: _distances(d, d.sample(["ape", "bat", "cat", "dog", "eel"], d.randint(4, 5))),
    d="distances|table|matrix",
    p="closest|pair|joined",
    n="averages|to_cluster|new_row",
)
def first_join(table: dict[str, dict[str, int]]) -> str:
    """By sorting all pairs."""
    names = list(table)
    triples = [
        (table[a][b], i, j) for i, a in enumerate(names) for j, b in enumerate(names) if i < j
    ]
    _, i, j = min(triples)
    rest = [
        (table[names[i]][c] + table[names[j]][c], k) for k, c in enumerate(names) if k not in (i, j)
    ]
    return f"{names[i]}+{names[j]} {names[min(rest)[1]]}"


def _distances(draw: Draw, names: list[str]) -> dict[str, dict[str, int]]:
    """A symmetric table with zeros on the diagonal."""
    table: dict[str, dict[str, int]] = {name: {} for name in names}
    for i, a in enumerate(names):
        table[a][a] = 0
        for b in names[i + 1 :]:
            table[a][b] = table[b][a] = draw.randint(2, 30)
    return {a: {b: table[a][b] for b in names} for a in names}
