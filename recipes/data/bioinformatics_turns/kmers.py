"""Templates about k-mers, sketches and graphs of sequences."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise, permutations, product

from recipes.data.bioinformatics_turns.drawing import Draw, dna, letters, pick, several
from recipes.data.bioinformatics_turns.template import template


@template(
    """
    ? Assign $dna to $s and $k to $n.
    ? Let $s be the sequence $dna and $n the number $k.
    $s = $dna
    $n = $k
    ? Count all k-mers of length $n in $s with a dictionary $d.
    ? Build a dict $d with every substring of $n letters of $s and how often it occurs (overlaps count).
    $d = {}
    for i in range(len($s) - $n + 1):
        kmer = $s[i : i + $n]
        $d[kmer] = $d.get(kmer, 0) + 1
    ? Let $m be the highest count.
    ? Store the largest value of $d in $m.
    $m = max($d.values())
    ? Print the k-mers with this count in alphabetical order, separated by spaces.
    ? Print all k-mers that occur $m times, sorted and joined with spaces.
    print(" ".join(sorted(kmer for kmer, count in $d.items() if count == $m)))
    """,
    dna=letters("AACGT", 14, 30),
    k=pick(2, 3),
    s="genome|seq|text",
    n="k|size|length",
    d="counts|kmers|table",
    m="highest|most|peak",
)
def frequent_kmers(dna: str, k: int) -> str:
    """By a regular expression for each possible k-mer."""
    counts = {
        "".join(x): len(re.findall(f"(?={''.join(x)})", dna)) for x in product("ACGT", repeat=k)
    }
    return " ".join(kmer for kmer in counts if counts[kmer] == max(counts.values()))


@template(
    """
    ? Store $one in $a, $two in $b and $k in $n.
    ? Assign $one to $a and $two to $b, and set $n to $k.
    $a = $one
    $b = $two
    $n = $k
    ? Define a function $f(seq) that returns the set of all k-mers of length $n.
    ? Write $f, which takes a sequence and returns a set of its substrings with $n letters.
    def $f(seq):
        return {seq[i : i + $n] for i in range(len(seq) - $n + 1)}
    ? Compute the sets of $a and $b as $x and $y.
    ? Call it for both sequences; store the set of $a in $x and the set of $b in $y.
    $x = $f($a)
    $y = $f($b)
    ? Calculate the Jaccard similarity, which is the size of the intersection divided by the size of the union, as $j.
    ? Let $j be the number of shared k-mers divided by the number of all different k-mers of both.
    $j = len($x & $y) / len($x | $y)
    ? Print $j rounded to 3 decimals.
    ? Print the similarity with at most three decimals.
    print(round($j, 3))
    """,
    one=dna(12, 22),
    two=lambda d: d["one"][d.randint(0, 5) :] + d.bases(3, 8),
    k=pick(2, 3, 4),
    a="first|seq1|genome_a",
    b="second|seq2|genome_b",
    n="k|size|length",
    f="kmers|kmer_set|shingles",
    x="set_a|kmers_a|left",
    y="set_b|kmers_b|right",
    j="jaccard|similarity|overlap",
)
def jaccard(one: str, two: str, k: int) -> float:
    """By counting in which sequences each k-mer is."""
    every = Counter[str]()
    for seq in (one, two):
        every.update(dict.fromkeys((seq[i : i + k] for i in range(len(seq) - k + 1)), 1))
    return round(sum(count == 2 for count in every.values()) / len(every), 3)


@template(
    """
    ? Let $l be the list of reads $reads.
    ? Create a list $l with the reads $reads.
    $l = $reads
    ? Make a dictionary $g that maps the first $k letters of every k-mer with $more letters to a list of the last $k letters of these k-mers, in the order of the reads.
    ? Build a de Bruijn graph $g: for each substring of $more letters in each read, append its last $k letters to the list of its first $k letters.
    $g = {}
    for read in $l:
        for i in range(len(read) - $k):
            $g.setdefault(read[i : i + $k], []).append(read[i + 1 : i + 1 + $k])
    ? Find the nodes of $g with more than one different successor; store them sorted in $b.
    ? Let $b be a sorted list of the keys of $g whose list has at least two different items.
    $b = sorted(node for node, following in $g.items() if len(set(following)) > 1)
    ? Print $b.
    ? Print the branching nodes.
    print($b)
    """,
    k=pick(2, 3),
    more=lambda d: d["k"] + 1,
    reads=several(dna(7, 11), 2, 4),
    l="reads|pieces|seqs",
    g="graph|edges|bruijn",
    b="branches|forks|branching",
)
def branching_nodes(reads: list[str], k: int) -> list[str]:
    """By the set of all k-mers that are one longer."""
    longer = {read[i : i + k + 1] for read in reads for i in range(len(read) - k)}
    starts = Counter(kmer[:-1] for kmer in longer)
    return sorted(node for node in starts if starts[node] >= 2)


@template(
    """
    ? Assign $dna to a variable named $s.
    ? Set $s to $dna.
    $s = $dna
    ? Write a function $f that returns the smaller, in alphabetical order, of a k-mer and its reverse complement.
    ? Define $f(kmer), which returns the canonical form: whichever of kmer and its reverse complement comes first alphabetically.
    def $f(kmer):
        other = kmer[::-1].translate(str.maketrans("ACGT", "TGCA"))
        return min(kmer, other)
    ? Collect the canonical forms of all k-mers with $k letters in a set $c.
    ? Apply it to every substring of length $k of $s, and keep the results in a set called $c.
    $c = {$f($s[i : i + $k]) for i in range(len($s) - $k + 1)}
    ? Print how many there are, then the alphabetically first one.
    ? Print the size of $c and its smallest item, separated by a space.
    print(len($c), min($c))
    """,
    dna=dna(12, 24),
    k=pick(3, 4),
    s="seq|genome|contig",
    f="canonical|normal_form|smaller_strand",
    c="canonicals|kmers|distinct",
)
def canonical_kmers(dna: str, k: int) -> str:
    """By both strands."""
    pair = dict(zip("ACGT", "TGCA", strict=True))
    other = "".join(pair[base] for base in reversed(dna))
    count = len(dna) - k + 1
    found = {tuple(sorted((dna[i : i + k], other[count - 1 - i :][:k]))) for i in range(count)}
    return f"{len(found)} {min(found)[0]}"


@template(
    """
    ? Assign the sequence $dna to $s.
    ? Store $dna in a variable called $s.
    $s = $dna
    ? Set $k to $size and $w to $window.
    ? Let $k be $size and let $w be $window.
    $k = $size
    $w = $window
    ? List all k-mers of $s with $k letters, in order, as $l.
    ? Make the list $l of the substrings of length $k.
    $l = [$s[i : i + $k] for i in range(len($s) - $k + 1)]
    ? For every $w k-mers in a row take the alphabetically smallest. Collect these minimizers in a list $m.
    ? Slide over $l with windows of $w items, and append the smallest item of each window to a list $m.
    $m = [min($l[i : i + $w]) for i in range(len($l) - $w + 1)]
    ? Print the different minimizers in the order of their first appearance.
    ? Print $m as a list without repeats, in the original order.
    print(list(dict.fromkeys($m)))
    """,
    dna=dna(14, 24),
    size=pick(3, 4),
    window=pick(3, 4, 5),
    s="seq|genome|read",
    k="k|kmer_size|length",
    w="w|window|width",
    l="kmers|words|pieces",
    m="minimizers|minima|chosen",
)
def minimizers(dna: str, size: int, window: int) -> list[str]:
    """By the text of each window."""
    found: list[str] = []
    for start in range(len(dna) - size - window + 2):
        text = dna[start : start + size + window - 1]
        best = sorted(text[i:][:size] for i in range(window))[0]
        if best not in found:
            found.append(best)
    return found


@template(
    """
    ? Create a list of reads named $l: $reads.
    ? Assign $reads to $l.
    $l = $reads
    ? Write a function $f(a, b) that returns the length of the longest suffix of a that is a prefix of b, but no less than $low letters; 0 if there is none.
    ? Define $f(a, b): the largest n, at least $low, such that the last n letters of a are the first n of b. Return 0 if no n fits.
    def $f(a, b):
        for n in range(min(len(a), len(b)), $low - 1, -1):
            if a.endswith(b[:n]):
                return n
        return 0
    ? Compute the overlaps of all ordered pairs of different reads in a dict $d with keys (a, b); leave out those that are 0.
    ? Build a dictionary $d from tuples (a, b) of different reads to their overlap, only where it is not 0.
    $d = {}
    for a in $l:
        for b in $l:
            if a != b and $f(a, b):
                $d[a, b] = $f(a, b)
    ? Print the number of overlaps and the sum of their lengths.
    ? Print how many pairs $d has, and after a space the sum of its values.
    print(len($d), sum($d.values()))
    """,
    low=pick(2, 3),
    long=dna(16, 22),
    reads=lambda d: list(
        dict.fromkeys(d["long"][i : i + 7] for i in sorted(d.sample(range(len(d["long"]) - 6), 4)))
    ),
    l="reads|pieces|fragments",
    f="overlap|shared|suffix_prefix",
    d="overlaps|edges|graph",
)
def overlaps(reads: list[str], low: int) -> str:
    """By comparing both ends as sets."""
    sizes = []
    for a, b in permutations(reads, 2):
        ends = {a[-n:] for n in range(low, len(a) + 1)} & {b[:n] for n in range(low, len(b) + 1)}
        sizes += [max(map(len, ends))] if ends else []
    return f"{len(sizes)} {sum(sizes)}"


def _chain(draw: Draw) -> dict[str, str]:
    """A path of nodes, in random order."""
    nodes = draw.sample(("AC", "CG", "GT", "TA", "AG", "GC", "CT", "TT"), draw.randint(4, 7))
    steps = list(pairwise(nodes))
    draw.shuffle(steps)
    return dict(steps)


@template(
    """
    ? Assign the edges $edges to a dictionary $g; each key has a single successor.
    ? Let $g be the dict $edges, in which a node is mapped to the next node.
    $g = $edges
    ? Find the node that is a key but no value. It is the start of the path; call it $b.
    ? Store the only key of $g that does not occur among the values in $b.
    $b = next(node for node in $g if node not in $g.values())
    ? Follow the edges from there to the end, and store all nodes in order in a list $p.
    ? Walk from $b along $g until there is no next node. The visited nodes, with $b first, are the list $p.
    $p = [$b]
    while $p[-1] in $g:
        $p.append($g[$p[-1]])
    ? Print the nodes with "->" between them.
    ? Join the path with "->" and print it.
    print("->".join($p))
    """,
    edges=_chain,
    g="edges|graph|following",
    b="start|source|begin",
    p="path|walk|order",
)
def path_of_edges(edges: dict[str, str]) -> str:
    """By joining pieces."""
    pieces = [[a, b] for a, b in edges.items()]
    while len(pieces) > 1:
        first = pieces.pop(0)
        for piece in pieces:
            if piece[0] == first[-1]:
                piece[:1] = first
                break
            if piece[-1] == first[0]:
                piece += first[1:]
                break
        else:
            pieces.append(first)
    return "->".join(pieces[0])


@template(
    """
    ? Let $a be $one and $b be $two.
    ? Assign $one to $a and $two to $b.
    $a = $one
    $b = $two
    ? Import Counter from collections and count the letter pairs (2-mers) of both sequences: $x for $a and $y for $b.
    ? With collections.Counter, count the dinucleotides of $a in $x and of $b in $y, overlapping ones included.
    from collections import Counter
    $x = Counter($a[i : i + 2] for i in range(len($a) - 1))
    $y = Counter($b[i : i + 2] for i in range(len($b) - 1))
    ? Calculate the squared Euclidean distance of the counts, over all pairs that occur in either, as $d.
    ? Sum the squares of the differences of the two counts over every dinucleotide of $x or $y. Name the sum $d.
    $d = sum(($x[pair] - $y[pair]) ** 2 for pair in $x | $y)
    ? Print $d.
    ? Print the squared distance.
    print($d)
    """,
    one=dna(8, 18),
    two=dna(8, 18),
    a="first|seq1|s",
    b="second|seq2|t",
    x="counts1|pairs_a|cx",
    y="counts2|pairs_b|cy",
    d="distance|squared|total",
)
def dinucleotide_distance(one: str, two: str) -> int:
    """Over all sixteen pairs."""
    pairs = ["".join(p) for p in product("ACGT", repeat=2)]
    return sum(
        (len(re.findall(f"(?={p})", one)) - len(re.findall(f"(?={p})", two))) ** 2 for p in pairs
    )


@template(
    """
    ? Store the sequences in a list $l: $seqs.
    ? Assign the list $seqs to $l.
    $l = $seqs
    ? Make a dictionary $d from each k-mer of $k letters to the set of the indices of the sequences that contain it.
    ? Index the sequences: $d maps every substring with $k letters to a set of the numbers (from 0) of the sequences that it is in.
    $d = {}
    for number, seq in enumerate($l):
        for i in range(len(seq) - $k + 1):
            $d.setdefault(seq[i : i + $k], set()).add(number)
    ? Select the k-mers that are in all sequences, as a sorted list $c.
    ? Let $c be the sorted list of k-mers whose set has as many numbers as there are sequences.
    $c = sorted(kmer for kmer, numbers in $d.items() if len(numbers) == len($l))
    ? Print the number of these core k-mers.
    ? Print how many k-mers $c has.
    print(len($c))
    """,
    k=pick(2, 3),
    seqs=several(letters("AACGT", 12, 20), 2, 3),
    l="genomes|seqs|strains",
    d="index|where|owners",
    c="core|shared|common",
)
def core_kmers(seqs: list[str], k: int) -> int:
    """By testing each k-mer of the first one."""
    first = seqs[0]
    return len(
        {w for i in range(len(first) - k + 1) if all((w := first[i : i + k]) in s for s in seqs)}
    )


@template(
    """
    ? Set $s to $dna with a "${dollar}" at the end.
    ? Assign $dna followed by "${dollar}" to $s.
    $s = $dna + "${dollar}"
    ? Build the list $r of all rotations of $s, sorted alphabetically.
    ? Make a sorted list of the cyclic rotations of $s and call it $r.
    $r = sorted($s[i:] + $s[:i] for i in range(len($s)))
    ? Take the last letter of each rotation and join them to a string $b, the Burrows-Wheeler transform.
    ? The Burrows-Wheeler transform is the string of the last letters of $r. Store it in $b.
    $b = "".join(rotation[-1] for rotation in $r)
    ? Print $b.
    ? Print the transform.
    print($b)
    """,
    dna=dna(6, 12),
    dollar=pick("$"),
    s="text|genome|word",
    r="rotations|rows|table",
    b="bwt|transform|last",
)
def burrows_wheeler(dna: str) -> str:
    """By the suffix array."""
    text = dna + "$"
    return "".join(text[i - 1] for i in sorted(range(len(text)), key=lambda i: text[i:]))
