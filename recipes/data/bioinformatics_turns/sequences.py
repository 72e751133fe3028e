"""Templates about nucleotide sequences: composition, windows, motifs, cutting and melting."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import re
from itertools import groupby, pairwise

from recipes.data.bioinformatics_turns.drawing import dna, integer, letters, pick, several
from recipes.data.bioinformatics_turns.template import template


@template(
    """
    ? Assign the string $dna to a variable named $s.
    ? Let $s be the DNA sequence $dna.
    ? Create the variable $s with the value $dna.
    $s = $dna
    ? Count the letters G and C of $s and store the number in $n.
    ? Save how many characters of $s are G or C as $n.
    $n = $s.count("G") + $s.count("C")
    ? Calculate what percentage of the length of $s that is, rounded to $digits decimals, as $p.
    ? Divide by the length, multiply by 100 and round to $digits decimals. Call the result $p.
    $p = round($n / len($s) * 100, $digits)
    ? Print $p.
    ? Show the percentage.
    print($p)
    """,
    dna=dna(18, 45),
    digits=pick(2, 3),
    s="seq|dna|fragment",
    n="gc|strong|gc_count",
    p="percent|gc_percent|share",
)
def gc_percentage(dna: str, digits: int) -> float:
    """G and C, one letter at a time."""
    return round(100 * sum(base in "GC" for base in dna) / len(dna), digits)


@template(
    """
    ? Store the sequence $dna in a variable called $s.
    ? Set $s to $dna.
    $s = $dna
    ? Build a dictionary $c with the number of times that each of the letters A, C, G and T occurs.
    ? For each base of "ACGT" count how often it is in $s; keep the counts in a dict named $c.
    $c = {base: $s.count(base) for base in "ACGT"}
    ? Find the base with the highest count and assign it to $m. In a tie, the first in the alphabet wins.
    ? Which base is the most frequent? Save it as $m; of equal counts take the alphabetically first.
    $m = max(sorted($c), key=$c.get)
    ? Print the base, a colon and its count, with nothing between them.
    ? Print the base and its count in the form "A:5".
    print(f"{$m}:{$c[$m]}")
    """,
    dna=dna(10, 40),
    s="seq|sequence|read",
    c="counts|composition|tally",
    m="top|common|best",
)
def commonest_base(dna: str) -> str:
    """Sorted by count and letter."""
    first = sorted("ACGT", key=lambda base: (-len(re.findall(base, dna)), base))[0]
    return f"{first}:{len(dna.split(first)) - 1}"


@template(
    """
    ? Create a string variable $s that contains $dna.
    ? Assign $dna to $s.
    $s = $dna
    ? Make a translation table named $t that maps A to T, T to A, C to G and G to C.
    ? Use str.maketrans to build a table $t that exchanges A with T and C with G.
    $t = str.maketrans("ACGT", "TGCA")
    ? Apply the table to $s, reverse the result, and store it as $r.
    ? Get the reverse complement of $s with this table; call it $r.
    $r = $s.translate($t)[::-1]
    ? Print how many positions are equal in $s and $r.
    ? At how many positions do $s and $r have the same letter? Print the number.
    print(sum(a == b for a, b in zip($s, $r)))
    """,
    dna=dna(8, 30),
    s="seq|strand|forward",
    t="table|pairs|complement",
    r="reverse|rc|other",
)
def agreement_with_reverse_complement(dna: str) -> int:
    """A position agrees if it pairs with its mirror position."""
    pairs = ("AT", "TA", "CG", "GC")
    return len([i for i in range(len(dna)) if dna[i] + dna[-1 - i] in pairs])


@template(
    """
    ? Assign $dna to the variable $s and the number $k to the variable $w.
    ? Set $s to $dna and $w to $k.
    $s = $dna
    $w = $k
    ? Collect all windows of length $w of $s, moving one letter at a time, in a list named $l.
    ? List every substring of $s with $w letters, from left to right, as $l.
    $l = [$s[i : i + $w] for i in range(len($s) - $w + 1)]
    ? For each window count the letters G and C; the list of counts is $g.
    ? Make a list $g with the number of G or C letters in each window.
    $g = [x.count("G") + x.count("C") for x in $l]
    ? Print the 0-based start of the first window with the highest count.
    ? Where does the window richest in G and C begin? Print its 0-based position, the first one in a tie.
    print($g.index(max($g)))
    """,
    dna=dna(14, 30),
    k=integer(3, 6),
    s="seq|contig|region",
    w="width|size|window",
    l="windows|pieces|parts",
    g="gc|scores|strengths",
)
def richest_window(dna: str, k: int) -> int:
    """By a running count."""
    strong = [base in "GC" for base in dna]
    count = best = sum(strong[:k])
    place = 0
    for start in range(1, len(dna) - k + 1):
        count += strong[start + k - 1] - strong[start - 1]
        if count > best:
            best, place = count, start
    return place


@template(
    """
    ? Let $s be $dna and let $m be the motif $motif.
    ? Assign the strings $dna and $motif to the variables $s and $m.
    $s = $dna
    $m = $motif
    ? Find all 0-based positions at which $m starts in $s, also overlapping ones, and store them in $p.
    ? Save the list of all start positions (0-based, overlaps allowed) of $m in $s as $p.
    $p = [i for i in range(len($s)) if $s.startswith($m, i)]
    ? Add 1 to every position, since biologists count from 1. Store the new list in $q.
    ? Convert the positions to 1-based ones in a list named $q.
    $q = [i + 1 for i in $p]
    ? Print $q.
    ? Show the list $q.
    print($q)
    """,
    dna=letters("AAAT", 12, 30),
    motif=pick("AA", "ATA", "AAT", "TA"),
    s="genome|text|seq",
    m="motif|pattern|site",
    p="starts|hits|found",
    q="positions|one_based|places",
)
def motif_positions(dna: str, motif: str) -> list[int]:
    """By a regular expression that looks ahead."""
    return [match.end() + 1 for match in re.finditer(f"(?={motif})", dna)]


@template(
    """
    ? Store the sequence $dna in $s and the recognition site $site in $e.
    ? Create $s = $dna and $e = $site.
    $s = $dna
    $e = $site
    ? The enzyme cuts after the first letter of its site. Write a function $f(sequence, site) that returns the list of fragments.
    ? Define a function named $f that takes a sequence and a site, cuts after the first letter of every site, and returns the fragments in order.
    def $f(sequence, site):
        parts = sequence.split(site)
        for i in range(len(parts) - 1):
            parts[i] += site[0]
            parts[i + 1] = site[1:] + parts[i + 1]
        return parts
    ? Use it to digest $s with $e and store the lengths of the fragments in $l.
    ? Call the function with $s and $e. Keep the length of each fragment in a list $l.
    $l = [len(part) for part in $f($s, $e)]
    ? Print the lengths from the longest to the shortest.
    ? Print $l sorted in descending order.
    print(sorted($l, reverse=True))
    """,
    site=pick("GAATTC", "GGATCC", "AAGCTT", "CTGCAG"),
    dna=lambda d: d.bases(4, 12) + d["site"] + d.bases(3, 15) + d["site"] + d.bases(2, 9),
    s="plasmid|dna|seq",
    e="enzyme|cutter|target",
    f="digest|cut|fragments",
    l="lengths|sizes|bands",
)
def digest_lengths(dna: str, site: str) -> list[int]:
    """Distances between the places of cuts."""
    cuts = [0, *(match.start() + 1 for match in re.finditer(site, dna)), len(dna)]
    return sorted((b - a for a, b in pairwise(cuts)), reverse=True)


@template(
    """
    ? Assign the primer $dna to the variable $s.
    ? Let $s be a primer with the sequence $dna.
    $s = $dna
    ? Count A and T together as $a.
    ? Store the number of A and T letters of $s in $a.
    $a = $s.count("A") + $s.count("T")
    ? Count G and C together as $g.
    ? Now do the same for G and C in a variable called $g.
    $g = $s.count("G") + $s.count("C")
    ? By the Wallace rule, the melting temperature is 2 degrees for each A or T and 4 for each G or C. Store it as $t.
    ? Compute the melting temperature $t as 2 times $a plus 4 times $g.
    $t = 2 * $a + 4 * $g
    ? Print the temperature followed by a space and the letter C.
    ? Print $t with the unit, like "52 C".
    print(f"{$t} C")
    """,
    dna=dna(10, 22),
    s="primer|oligo|probe",
    a="weak|at|at_count",
    g="strong|gc|gc_count",
    t="tm|melting|temperature",
)
def wallace(dna: str) -> str:
    """A sum over letters."""
    return f"{sum({'A': 2, 'T': 2, 'C': 4, 'G': 4}[base] for base in dna)} C"


@template(
    """
    ? Create a list $l of the primers $primers.
    ? Assign the list of sequences $primers to $l.
    $l = $primers
    ? Define a function $f that takes a sequence and returns 64.9 + 41 * (gc - 16.4) / n, where gc is the number of G and C letters and n is the length.
    ? Write a function called $f. It returns the melting temperature 64.9 + 41 * (gc - 16.4) / n of a sequence with n letters of which gc are G or C.
    def $f(seq):
        gc = seq.count("G") + seq.count("C")
        return 64.9 + 41 * (gc - 16.4) / len(seq)
    ? Compute the temperature of each primer, rounded to one decimal, and save the list as $t.
    ? Apply the function to every item of $l, round to 1 decimal, and call the list $t.
    $t = [round($f(seq), 1) for seq in $l]
    ? Calculate the difference between the highest and the lowest temperature as $d, rounded to one decimal.
    ? Store max minus min of $t, rounded to 1 decimal, in $d.
    $d = round(max($t) - min($t), 1)
    ? Print $d.
    ? Output the difference.
    print($d)
    """,
    primers=several(dna(14, 22), 2, 4, different=True),
    l="primers|oligos|probes",
    f="melting|tm|melting_temperature",
    t="temperatures|values|temps",
    d="spread|difference|gap",
)
def melting_spread(primers: list[str]) -> float:
    """Sorted temperatures."""
    ordered = sorted(
        round(64.9 + 41 * (len(re.sub("[AT]", "", each)) - 16.4) / len(each), 1) for each in primers
    )
    return round(ordered[-1] - ordered[0], 1)


@template(
    """
    ? Set $s to the string $dna.
    ? Assign $dna to a variable called $s.
    $s = $dna
    ? Starting from 0, add 1 for every G and subtract 1 for every C, and store the running value after each letter in a list $w.
    ? Compute the cumulative GC skew: a list $w with the running total after each letter, where G counts +1, C counts -1 and other letters 0.
    $w = []
    total = 0
    for base in $s:
        total += (base == "G") - (base == "C")
        $w.append(total)
    ? Find the smallest value of $w and call it $m.
    ? Let $m be the minimum of the list.
    $m = min($w)
    ? Print all 1-based positions at which the minimum is reached, as a list.
    ? Print a list of the positions (counting from 1) where $w equals $m.
    print([i for i, value in enumerate($w, 1) if value == $m])
    """,
    dna=dna(12, 30),
    s="genome|seq|chromosome",
    w="skew|walk|running",
    m="lowest|minimum|low",
)
def skew_minimum(dna: str) -> list[int]:
    """Counts of each prefix."""
    skews = {n: dna[:n].count("G") - dna[:n].count("C") for n in range(1, len(dna) + 1)}
    return [n for n in skews if skews[n] == min(skews.values())]


@template(
    """
    ? Import groupby from itertools.
    ? From itertools import groupby.
    from itertools import groupby
    ? Assign the sequence $dna to $s.
    ? Store $dna in the variable $s.
    $s = $dna
    ? Split $s into runs of equal letters: a list $r of pairs of the letter and the length of the run.
    ? Run-length encode $s as a list of tuples (base, length) called $r.
    $r = [(base, len(list(group))) for base, group in groupby($s)]
    ? Keep only the runs of at least $k letters in a list named $h.
    ? Select the homopolymers, which are runs with length $k or more. Name the list $h.
    $h = [run for run in $r if run[1] >= $k]
    ? Print the number of runs in $h.
    ? How many are there? Print it.
    print(len($h))
    """,
    dna=letters("AACGTT", 20, 45),
    k=pick(2, 3),
    s="seq|read|dna",
    r="runs|encoded|blocks",
    h="homopolymers|long_runs|kept",
)
def homopolymers(dna: str, k: int) -> int:
    """By a regular expression."""
    return len(re.findall(rf"(A{{{k},}}|C{{{k},}}|G{{{k},}}|T{{{k},}})", dna))


@template(
    """
    ? Assign the text $dna to a variable named $s.
    ? Let $s hold $dna.
    $s = $dna
    ? Remove all characters except A, C, G and T in upper or lower case, make the rest upper case, and store it in $c.
    ? Clean $s: upper case, and only the letters A, C, G and T. Save the result as $c.
    $c = "".join(base for base in $s.upper() if base in "ACGT")
    ? Transcribe $c to RNA by replacing T with U. Name it $r.
    ? Replace every T of $c by U and assign the RNA to $r.
    $r = $c.replace("T", "U")
    ? Print the RNA in groups of $k letters with a space between them.
    ? Print $r with a space after every $k letters, but none at the end.
    print(" ".join($r[i : i + $k] for i in range(0, len($r), $k)))
    """,
    dna=letters("ACGTacgtN- ", 14, 32),
    k=pick(3, 5, 10),
    s="raw|text|line",
    c="clean|dna|bases",
    r="rna|transcript|message",
)
def grouped_rna(dna: str, k: int) -> str:
    """By regular expressions."""
    rna = re.sub("[^ACGU]", "", re.sub("[tT]", "U", dna.upper()))
    return re.sub(f"(.{{{k}}})(?=.)", r"\1 ", rna)


@template(
    """
    ? Create a variable $s with the string $dna.
    ? Assign $dna to $s.
    $s = $dna
    ? Import the module re.
    ? Import Python's module for regular expressions.
    import re
    ? Find every maximal run of the letter N in $s. Store a list of tuples with its start (0-based) and end (exclusive) in $g.
    ? Make a list $g of (start, end) tuples, half-open and 0-based, one for each stretch of N in $s.
    $g = [match.span() for match in re.finditer("N+", $s)]
    ? Calculate the total length of these gaps as $t.
    ? Let $t be the sum of the lengths of all gaps in $g.
    $t = sum(end - start for start, end in $g)
    ? Print the fraction of $s that is not in a gap, rounded to 3 decimals.
    ? Print 1 minus $t divided by the length of $s, to three decimals.
    print(round(1 - $t / len($s), 3))
    """,
    dna=letters("ACGTNN", 15, 40),
    s="scaffold|assembly|seq",
    g="gaps|spans|holes",
    t="total|missing|gap_length",
)
def known_fraction(dna: str) -> float:
    """Letters that are not N."""
    return round(len(dna.replace("N", "")) / len(dna), 3)


@template(
    """
    ? Let $s be $dna.
    ? Store $dna as $s.
    $s = $dna
    ? Write a function $f that returns True if a sequence equals its own reverse complement.
    ? Define $f(seq): whether seq is the same as its reverse complement.
    def $f(seq):
        pairs = {"A": "T", "T": "A", "C": "G", "G": "C"}
        return seq == "".join(pairs[base] for base in reversed(seq))
    ? Collect all substrings of $s with length $k for which the function is True in a list $l, in order of their position.
    ? Test every substring of length $k from left to right and keep those for which it returns True. Call the list $l.
    pieces = [$s[i : i + $k] for i in range(len($s) - $k + 1)]
    $l = [piece for piece in pieces if $f(piece)]
    ? Print the different ones in alphabetical order, separated by commas.
    ? Print the unique items of $l, sorted and joined with ",".
    print(",".join(sorted(set($l))))
    """,
    k=pick(4, 6),
    s="seq|dna|promoter",
    f="is_palindrome|palindromic|symmetric",
    l="sites|palindromes|hits",
    dna=lambda d: (
        d.bases(4, 9)
        + d.choice(("GAATTC", "GGATCC", "ACATGT"))
        + d.bases(4, 9)
        + d.choice(("GATC", "AGCT", "TTAA"))
        + d.bases(0, 6)
    ),
)
def palindromes(dna: str, k: int) -> str:
    """Every letter pairs with its mirror."""
    pieces = {dna[i : i + k] for i in range(len(dna) - k + 1)}
    good = [
        p
        for p in pieces
        if {a + b for a, b in zip(p, p[::-1], strict=True)} <= {"AT", "TA", "CG", "GC"}
    ]
    return ",".join(sorted(good))


@template(
    """
    ? Make a list named $l of these sequences: $seqs.
    ? Assign $seqs to the list $l.
    $l = $seqs
    ? Create a dictionary $d from each sequence to its number of CG dinucleotides.
    ? Count the occurrences of "CG" in each sequence; store a dict of sequence to count in $d.
    $d = {seq: seq.count("CG") for seq in $l}
    ? Select the sequences with at least $k such pairs as $c, in the order of $l.
    ? Let $c be the list of sequences whose count is $k or higher.
    $c = [seq for seq, count in $d.items() if count >= $k]
    ? Print the total length of the selected sequences.
    ? How many letters do the sequences of $c have together? Print the number.
    print(sum(map(len, $c)))
    """,
    seqs=several(letters("ACGCGT", 8, 16), 3, 6, different=True),
    k=pick(1, 2, 3),
    l="seqs|islands|regions",
    d="cpg|counts|pairs",
    c="chosen|rich|selected",
)
def cpg_rich(seqs: list[str], k: int) -> int:
    """Letters of sequences with enough places of CG."""
    return sum(len(s) for s in seqs if len(s.split("CG")) > k)


@template(
    """
    ? Assign $dna to $s.
    ? Let the sequence $s be $dna.
    $s = $dna
    ? Store the molecular weights of the nucleotides in a dictionary $w: A 313.2, C 289.2, G 329.2, T 304.2.
    ? Create a dict $w with the weights {"A": 313.2, "C": 289.2, "G": 329.2, "T": 304.2}.
    $w = {"A": 313.2, "C": 289.2, "G": 329.2, "T": 304.2}
    ? Add up the weights of all letters of $s as $t.
    ? Sum the weight of each base of the sequence in $t.
    $t = sum($w[base] for base in $s)
    ? Subtract 61.96 and print the result with two decimals.
    ? Print $t minus 61.96, formatted with exactly 2 decimals.
    print(f"{$t - 61.96:.2f}")
    """,
    dna=dna(6, 20),
    s="oligo|seq|strand",
    w="weights|masses|daltons",
    t="total|weight|mass",
)
def oligo_weight(dna: str) -> str:
    """Counts times weights, in hundredths."""
    weights = {"A": 31320, "C": 28920, "G": 32920, "T": 30420}
    hundredths = sum(dna.count(base) * weight for base, weight in weights.items()) - 6196
    return f"{hundredths // 100}.{hundredths % 100:02d}"


@template(
    """
    ? Save the sequence $dna as $s.
    ? Set the variable $s to $dna.
    $s = $dna
    ? Put the lengths of all runs of $base in $s into a list named $l.
    ? List the length of each stretch of consecutive $base letters in $s, from left to right, in $l.
    $l = []
    length = 0
    for base in $s:
        if base == $base:
            length += 1
        elif length:
            $l.append(length)
            length = 0
    if length:
        $l.append(length)
    ? Print the longest one, or 0 if there is none.
    ? Print the maximum of $l, with 0 for an empty list.
    print(max($l, default=0))
    """,
    base=pick("A", "C", "G", "T"),
    dna=lambda d: d.text("ACGT" + d["base"] * 3, 12, 40),
    s="seq|read|contig",
    l="runs|stretches|lengths",
)
def longest_run(dna: str, base: str) -> int:
    """By grouping."""
    return max((len(list(g)) for letter, g in groupby(dna) if letter == base), default=0)
