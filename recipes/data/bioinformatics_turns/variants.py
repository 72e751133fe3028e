"""Templates about variants, genotypes and populations."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

from recipes.data.bioinformatics_turns.drawing import Draw, dna, integer, pick
from recipes.data.bioinformatics_turns.template import template


def _rows(draw: Draw) -> list[list[object]]:
    """Chromosome, position, reference, alternative and quality of some variants."""
    rows: list[list[object]] = []
    for _ in range(draw.randint(4, 7)):
        ref = draw.choice("ACGT") + draw.choice(("", "", "", "", "T", "GC"))
        alt = draw.choice([base for base in "ACGT" if base != ref[0]]) + draw.choice(
            ("", "", "", "", "", "A")
        )
        rows.append(
            [f"chr{draw.randint(1, 3)}", draw.randint(10, 999), ref, alt, draw.randint(5, 90)]
        )
    return rows


@template(
    """
    ? Assign the variants $rows to a list $l. Each has a chromosome, a position, the reference allele, the alternative allele and a quality.
    ? Let $l be this list of variants [chromosome, position, ref, alt, quality]: $rows.
    $l = $rows
    ? Select the variants with a quality of at least $low as $q.
    ? Keep those whose quality, the last item, is $low or more, in a list called $q.
    $q = [row for row in $l if row[4] >= $low]
    ? From these take the single-nucleotide variants, where both alleles have one letter. Name the list $s.
    ? Let $s be the items of $q in which ref and alt are one letter long.
    $s = [row for row in $q if len(row[2]) == len(row[3]) == 1]
    ? Count them per chromosome in a dictionary $d.
    ? Create a dict $d from chromosome to the number of its variants in $s.
    $d = {}
    for row in $s:
        $d[row[0]] = $d.get(row[0], 0) + 1
    ? Print the items of $d sorted by chromosome, as a list of tuples.
    ? Print a sorted list of (chromosome, count) pairs.
    print(sorted($d.items()))
    """,
    rows=_rows,
    low=pick(20, 30),
    l="variants|calls|records",
    q="passed|good|filtered",
    s="snvs|snps|single",
    d="per_chrom|counts|by_chromosome",
)
def snvs_by_chromosome(rows: list[list[object]], low: int) -> list[tuple[str, int]]:
    """By a counter."""
    counts = Counter(
        str(chrom)
        for chrom, _, ref, alt, quality in rows
        if len(f"{ref}{alt}") == 2 and not int(str(quality)) < low
    )
    return [(name, counts[name]) for name in ("chr1", "chr2", "chr3") if counts[name]]


@template(
    """
    ? Store the genotypes $genotypes in $g; "./." is a missing one.
    ? Assign the list of genotypes $genotypes to $g.
    $g = $genotypes
    ? Put all alleles except "." into one list $a of texts.
    ? Split each genotype at "/", and gather the alleles in a list $a without the missing ones (".").
    $a = [allele for genotype in $g for allele in genotype.split("/") if allele != "."]
    ? Compute the frequency of the allele "1" as $f.
    ? Let $f be the share of "1" in $a.
    $f = $a.count("1") / len($a)
    ? Calculate the minor allele frequency, which is the smaller one of $f and 1 - $f, and name it $m.
    ? Let $m be the minimum of $f and 1 minus $f.
    $m = min($f, 1 - $f)
    ? Print $m with 3 decimals.
    ? Print $m formatted with exactly three decimals.
    print(f"{$m:.3f}")
    """,
    genotypes=lambda d: [
        "0/1",
        *(d.choice(("0/0", "0/1", "1/1", "./.")) for _ in range(d.randint(5, 10))),
    ],
    g="genotypes|calls|samples",
    a="alleles|copies|observed",
    f="frequency|alt_frequency|freq",
    m="maf|minor|rarer",
)
def minor_allele_frequency(genotypes: list[str]) -> str:
    """By characters."""
    text = "".join(genotypes)
    counts = text.count("0"), text.count("1")
    return f"{min(counts) / sum(counts):.3f}"


@template(
    """
    ? Assign the genotype counts: $a is $hom (AA), $b is $het (Aa) and $c is $other (aa).
    ? Let $a = $hom be the number of AA individuals, $b = $het of Aa and $c = $other of aa.
    $a = $hom
    $b = $het
    $c = $other
    ? Compute the total number of individuals as $n and the frequency of the allele A as $p.
    ? Store the sum of the three in $n, and (2 * $a + $b) / (2 * $n), the frequency of A, in $p.
    $n = $a + $b + $c
    $p = (2 * $a + $b) / (2 * $n)
    ? Make a list $e of the expected counts under Hardy-Weinberg: p squared, 2p(1 - p) and (1 - p) squared, each times $n.
    ? Calculate the Hardy-Weinberg expectations for AA, Aa and aa as the list $e.
    $e = [x * $n for x in ($p**2, 2 * $p * (1 - $p), (1 - $p) ** 2)]
    ? Compute the chi-square statistic of observed and expected counts as $x.
    ? Let $x be the sum of (observed - expected) ** 2 / expected over the three genotypes.
    $x = sum((seen - want) ** 2 / want for seen, want in zip([$a, $b, $c], $e))
    ? Print $x rounded to 3 decimals.
    ? Print the statistic, to three decimals.
    print(round($x, 3))
    """,
    hom=integer(5, 60),
    het=integer(5, 60),
    other=integer(3, 60),
    a="hom_ref|aa|n_aa",
    b="het|ab|n_ab",
    c="hom_alt|bb|n_bb",
    n="total|n|individuals",
    p="p|freq|frequency",
    e="expected|expectation|under_hw",
    x="chi2|statistic|chi_square",
)
def hardy_weinberg(hom: int, het: int, other: int) -> float:
    """By the coefficient of inbreeding: the statistic is its square times the number."""
    n = hom + het + other
    p = Fraction(2 * hom + het, 2 * n)
    inbreeding = 1 - Fraction(het, n) / (2 * p * (1 - p))
    return round(float(n * inbreeding**2), 3)


@template(
    """
    ? Let $s be the reference $dna.
    ? Assign the reference sequence $dna to $s.
    $s = $dna
    ? Store the variants $changes in a list $l; each one is a 1-based position, the reference letter and the new letter.
    ? Create the list $l of substitutions (position, ref, alt), with positions counted from 1: $changes.
    $l = $changes
    ? Make a list $b of the letters of $s.
    ? Turn $s into a list of letters called $b.
    $b = list($s)
    ? Apply each variant whose reference letter agrees with $s; ignore the others.
    ? For every variant in $l: if the letter at its position is its reference letter, replace it in $b by the new one.
    for position, ref, alt in $l:
        if $s[position - 1] == ref:
            $b[position - 1] = alt
    ? Print the changed sequence as a string.
    ? Join $b and print it.
    print("".join($b))
    """,
    dna=dna(10, 18),
    changes=lambda d: [
        (i, d["dna"][i - 1] if d.random() < 0.7 else d.choice("ACGT"), d.choice("ACGT"))
        for i in sorted(d.sample(range(1, len(d["dna"]) + 1), d.randint(2, 4)))
    ],
    s="reference|ref_seq|genome",
    l="variants|changes|edits",
    b="bases|letters|sample",
)
def applied(dna: str, changes: list[tuple[int, str, str]]) -> str:
    """By slices."""
    for place, ref, alt in changes:
        if dna[place - 1 : place] == ref:
            dna = dna[: place - 1] + alt + dna[place:]
    return dna


@template(
    """
    ? Assign the INFO field $info to a variable $t.
    ? Let $t be the text $info, the INFO column of a VCF line.
    $t = $info
    ? Split it at the semicolons into a list $l.
    ? Create a list $l with the entries between the semicolons.
    $l = $t.split(";")
    ? Build a dictionary $d: "KEY=VALUE" becomes a key with its value (as text), and an entry without "=" becomes a key with the value True.
    ? Parse the entries into a dict $d; those with "=" give a key and a text, the flags without "=" get True.
    $d = {}
    for entry in $l:
        key, sign, value = entry.partition("=")
        $d[key] = value if sign else True
    ? Print the depth, which is under the key "DP", times the allele frequency "AF", rounded to an integer.
    ? Multiply the integer at "DP" by the number at "AF" and print the product, rounded to the nearest integer.
    print(round(int($d["DP"]) * float($d["AF"])))
    """,
    depth=integer(10, 99),
    share=pick(0.13, 0.27, 0.34, 0.49, 0.62, 0.81),
    info=lambda d: ";".join(
        d.sample(
            [f"DP={d['depth']}", f"AF={d['share']}", "DB", f"MQ={d.randint(20, 60)}", "SOMATIC"], 5
        )
    ),
    t="info|field|column",
    l="entries|parts|items",
    d="values|parsed|annotations",
)
def alternative_reads(depth: int, share: float) -> int:
    """In hundredths."""
    return round(Fraction(round(share * 100) * depth, 100))


@template(
    """
    ? Assign the list of haplotypes $haplotypes to $l. Each letter is an allele, 0 or 1.
    ? Store the haplotypes $haplotypes in $l.
    $l = $haplotypes
    ? Make a numpy array $m of integers with a row for each haplotype and a column for each site.
    ? Convert $l to a two-dimensional integer array named $m, one row per haplotype.
    $m = np.array([[int(allele) for allele in haplotype] for haplotype in $l])
    ? Compute the frequency of allele 1 at each site as an array $p.
    ? Let $p be the mean of each column of $m.
    $p = $m.mean(axis=0)
    ? Calculate the expected heterozygosity 2p(1 - p) of each site and store the array as $h.
    ? Make an array $h with 2 * p * (1 - p) for every site.
    $h = 2 * $p * (1 - $p)
    ? Print the mean over all sites, rounded to 4 decimals, as a plain float.
    ? Print the average of $h as a Python float with at most four decimals.
    print(round(float($h.mean()), 4))
    """,
    sites=integer(4, 8),
    haplotypes=lambda d: [d.text("001", d["sites"], d["sites"]) for _ in range(d.randint(3, 6))],
    l="haplotypes|chromosomes|rows",
    m="matrix|alleles|table",
    p="frequencies|p|freq",
    h="het|heterozygosity|diversity",
)
def mean_heterozygosity(haplotypes: list[str]) -> float:
    """By fractions."""
    shares = [Fraction(col.count("1"), len(col)) for col in zip(*haplotypes, strict=True)]
    return round(float(sum(1 - p * p - (1 - p) ** 2 for p in shares) / len(shares)), 4)


@template(
    """
    ? Let $a be the genotype of the mother, $mother, $b that of the father, $father, and $c that of the child, $child.
    ? Assign the genotypes $mother (mother), $father (father) and $child (child) to $a, $b and $c.
    $a = $mother
    $b = $father
    $c = $child
    ? Create a set $p with all genotypes that a child of these parents can have: one allele of each, sorted alphabetically and joined with "/".
    ? Combine each allele of $a with each of $b. Sort the two alleles, join them with a slash, and collect the texts in a set $p.
    $p = {"/".join(sorted((x, y))) for x in $a.split("/") for y in $b.split("/")}
    ? Write the genotype of the child in the same sorted form and store it as $s.
    ? Let $s be $c with its two alleles in alphabetical order.
    $s = "/".join(sorted($c.split("/")))
    ? Print "consistent" if it is possible and "violation" otherwise.
    ? If $s is in $p print "consistent", else "violation".
    print("consistent" if $s in $p else "violation")
    """,
    mother=lambda d: f"{d.choice('ACG')}/{d.choice('ACG')}",
    father=lambda d: f"{d.choice('ACG')}/{d.choice('ACG')}",
    child=lambda d: f"{d.choice(d['mother'][::2])}/{d.choice((*d['father'][::2], 'T'))}",
    a="mother|mom|dam",
    b="father|dad|sire",
    c="child|kid|offspring",
    p="possible|allowed|combinations",
    s="observed|normal|ordered",
)
def mendelian(mother: str, father: str, child: str) -> str:
    """By either origin of the alleles."""
    x, y = child[0], child[2]
    fits = (x in mother and y in father) or (y in mother and x in father)
    return "consistent" if fits else "violation"


@template(
    """
    ? Assign the read depths: $a = $refs reads with the reference allele and $b = $alts with the alternative one.
    ? Let $a be $refs and $b be $alts, the numbers of reads with the two alleles.
    $a = $refs
    $b = $alts
    ? Set the error rate $e to $rate.
    ? Let $e be the probability $rate of a wrong base.
    $e = $rate
    ? Import math, and compute the log10 likelihoods of the genotypes 0/0, 0/1 and 1/1 as a dictionary $d; a read shows the alternative allele with probability $e, 0.5 and 1 - $e.
    ? With the math module make a dict $d from "0/0", "0/1" and "1/1" to $a * log10(1 - q) + $b * log10(q), where q is $e, 0.5 and 1 - $e.
    import math
    $d = {
        genotype: $a * math.log10(1 - q) + $b * math.log10(q)
        for genotype, q in (("0/0", $e), ("0/1", 0.5), ("1/1", 1 - $e))
    }
    ? Find the most likely genotype and store it as $g.
    ? Let $g be the key of the highest value.
    $g = max($d, key=$d.get)
    ? Print it, followed by its log likelihood with 2 decimals.
    ? Print the genotype, a space, and its value in $d formatted with two decimals.
    print($g, f"{$d[$g]:.2f}")
    """,
    refs=integer(0, 25),
    alts=integer(1, 20),
    rate=pick(0.01, 0.02, 0.05),
    a="ref_reads|n_ref|ref_depth",
    b="alt_reads|n_alt|alt_depth",
    e="error|err|error_rate",
    d="likelihoods|scores|logs",
    g="genotype|call|best",
)
def genotype_call(refs: int, alts: int, rate: float) -> str:
    """By natural logarithms."""
    found = []
    for name, q in (("0/0", rate), ("0/1", 0.5), ("1/1", 1 - rate)):
        found.append((refs * math.log(1 - q) + alts * math.log(q), name))
    value, name = sorted(found)[-1]
    return f"{name} {value / math.log(10):.2f}"


@template(
    """
    ? Create a list $l of variants as texts: $variants.
    ? Assign $variants to the list $l.
    $l = $variants
    ? Write a function $f that parses a text like "A123T" into a tuple of the old letter, the position (an integer) and the new letter.
    ? Define $f(text), which splits for example "A123T" into ("A", 123, "T").
    def $f(text):
        return text[0], int(text[1:-1]), text[-1]
    ? Parse all of $l and sort them by position as $p.
    ? Apply it to each item of $l, and let $p be the results in the order of their positions.
    $p = sorted(map($f, $l), key=lambda change: change[1])
    ? Print the positions where the new letter is "*" (a stop) or, if there are none, the word "none".
    ? Print the list of positions with a new stop "*"; print "none" if that list is empty.
    print([place for _, place, new in $p if new == "*"] or "none")
    """,
    variants=lambda d: [
        f"{d.choice('ARNDC')}{n}{d.choice('GHIL***')}"
        for n in d.sample(range(1, 400), d.randint(3, 6))
    ],
    l="variants|mutations|changes",
    f="parse|read_change|split_variant",
    p="parsed|ordered|by_position",
)
def new_stops(variants: list[str]) -> object:
    """By filtering the texts."""
    return sorted(int(text.strip("ARNDC*")) for text in variants if text.endswith("*")) or "none"


@template(
    """
    ? Assign the numbers of derived alleles at the sites, $counts, to $l, and the number of chromosomes, $n, to $c.
    ? Let $l be $counts (copies of the derived allele at each site) and $c be $n (chromosomes in the sample).
    $l = $counts
    $c = $n
    ? Build the site frequency spectrum $s: a list where the item i - 1 is the number of sites with i copies, for i from 1 to $c - 1.
    ? Count the sites with 1, 2, ... up to $c - 1 copies in a list $s.
    $s = [$l.count(i) for i in range(1, $c)]
    ? Fold it: add the numbers of i and $c - i copies (the middle one stays single). Store the list for i from 1 to half of $c as $f.
    ? Make the folded spectrum $f. For each i from 1 to $c // 2 it has the sites with i or $c - i copies.
    $f = []
    for i in range(1, $c // 2 + 1):
        count = $s[i - 1]
        if i != $c - i:
            count += $s[$c - i - 1]
        $f.append(count)
    ? Print both lists, separated by a space.
    ? Print $s and $f on one line.
    print($s, $f)
    """,
    n=pick(5, 6, 7, 8),
    counts=lambda d: [d.randint(1, d["n"] - 1) for _ in range(d.randint(6, 12))],
    l="derived|sites|copies",
    c="chromosomes|sample_size|total",
    s="spectrum|sfs|unfolded",
    f="folded|minor|folded_sfs",
)
def spectra(counts: list[int], n: int) -> str:
    """By counters."""
    plain, minor = Counter(counts), Counter(min(i, n - i) for i in counts)
    return f"{[plain[i] for i in range(1, n)]} {[minor[i] for i in range(1, n // 2 + 1)]}"


@template(
    """
    ? Store the sequences $seqs of a population in a list $l.
    ? Assign the aligned sequences $seqs to $l.
    $l = $seqs
    ? Find the 0-based segregating sites, at which not all sequences have the same letter. Store the list as $s.
    ? Let $s be the list of columns (from 0) that have more than one letter.
    $s = [i for i, column in enumerate(zip(*$l)) if len(set(column)) > 1]
    ? Compute $a, the sum of 1 / i for i from 1 to the number of sequences minus 1.
    ? Let $a be 1 + 1/2 + ... + 1/(n - 1), where n is the number of sequences.
    $a = sum(1 / i for i in range(1, len($l)))
    ? Watterson's theta is the number of segregating sites divided by $a. Print it to 3 decimals.
    ? Print the number of sites divided by $a (Watterson's estimator), rounded to 3 decimals.
    print(round(len($s) / $a, 3))
    """,
    start=dna(9, 16),
    seqs=lambda d: [
        "".join(base if d.random() < 0.85 else d.choice("ACGT") for base in d["start"])
        for _ in range(d.randint(3, 6))
    ],
    l="population|seqs|samples",
    s="segregating|sites|variable",
    a="harmonic|a1|factor",
)
def watterson(seqs: list[str]) -> float:
    """By fractions, against the first sequence."""
    first = seqs[0]
    sites = len({i for seq in seqs for i in range(len(first)) if seq[i] != first[i]})
    return round(float(sites / sum(Fraction(1, i) for i in range(1, len(seqs)))), 3)
