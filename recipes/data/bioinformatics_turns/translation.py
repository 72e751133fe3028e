"""Templates about codons, reading frames and proteins."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import re
from collections import Counter

from recipes.data.bioinformatics_turns.drawing import Draw, integer, letters, pick, several
from recipes.data.bioinformatics_turns.template import template

_LETTERS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"


def _amino(codon: str) -> str:
    """The amino acid of a codon by the standard code, in the order TCAG."""
    a, b, c = ("TCAG".index(base) for base in codon)
    return _LETTERS[16 * a + 4 * b + c]


def _gene(draw: Draw) -> str:
    """A sequence with an open reading frame inside."""
    middle = "".join(
        draw.choice(("GCT", "AAA", "GAC", "TTC", "CTG", "GGA")) for _ in range(draw.randint(2, 7))
    )
    stop = draw.choice(("TAA", "TAG", "TGA"))
    return draw.text("CGT", 0, 6) + "ATG" + middle + stop + draw.text("CGA", 0, 6)


@template(
    """
    ? Assign the coding sequence $dna to $s.
    ? Store $dna in a variable named $s.
    $s = $dna
    ? Split $s into codons, which are groups of three letters from the start. Drop an incomplete one at the end. Name the list $c.
    ? Make a list $c of the complete triplets of $s.
    $c = [$s[i : i + 3] for i in range(0, len($s) - 2, 3)]
    ? Count how often each codon occurs, in a Counter called $n.
    ? Import Counter from collections and count the codons in $n.
    from collections import Counter
    $n = Counter($c)
    ? Print the number of codons that occur exactly once.
    ? How many different codons occur only once? Print it.
    print(sum(count == 1 for count in $n.values()))
    """,
    dna=letters("AAGC", 12, 40),
    s="cds|gene|seq",
    c="codons|triplets|triples",
    n="usage|counts|table",
)
def single_codons(dna: str) -> int:
    """By a regular expression."""
    codons = re.findall("...", dna)
    return len([codon for codon in set(codons) if codons.count(codon) == 1])


@template(
    """
    ? Create a dictionary $t with part of the genetic code: $code.
    ? Let $t be the codon table $code.
    $t = $code
    ? Assign the sequence $dna to $s.
    ? Store $dna in $s.
    $s = $dna
    ? Translate $s codon by codon with the table into a string $p. Codons that are not in it become "X".
    ? Look up each codon of $s in $t, with "X" for unknown ones, and join the letters as $p.
    $p = "".join($t.get($s[i : i + 3], "X") for i in range(0, len($s), 3))
    ? Print the protein.
    ? Print $p.
    print($p)
    """,
    code=lambda d: {
        c: _amino(c) for c in d.sample(("ATG", "GCT", "TGG", "AAA", "GGC", "TTC", "CAC"), 5)
    },
    dna=lambda d: "".join(d.choice((*d["code"], "CCC")) for _ in range(d.randint(4, 9))),
    t="table|code|codon_table",
    s="cds|seq|gene",
    p="protein|peptide|product",
)
def partial_translation(code: dict[str, str], dna: str) -> str:
    """By the standard code."""
    return "".join(_amino(c) if c in code else "X" for c in re.findall("...", dna))


@template(
    """
    ? Let $s be the string $dna.
    ? Assign $dna to the variable $s.
    $s = $dna
    ? Find the 0-based position of the first "ATG" in $s and call it $b.
    ? Store the index of the first start codon ATG in $b.
    $b = $s.find("ATG")
    ? From there, walk in steps of three to the first stop codon (TAA, TAG or TGA). Store its position in $e.
    ? Let $e be the position of the first TAA, TAG or TGA that is in frame with the start.
    $e = $b
    while $s[$e : $e + 3] not in ("TAA", "TAG", "TGA"):
        $e += 3
    ? Print the sequence from the start codon up to, but without, the stop codon.
    ? Print the part of $s between $b (included) and $e (excluded).
    print($s[$b:$e])
    """,
    dna=_gene,
    s="mrna|seq|transcript",
    b="start|begin|first",
    e="stop|end|last",
)
def open_frame(dna: str) -> str:
    """By a regular expression."""
    found = re.search(r"(ATG(?:(?!TAA|TAG|TGA)...)*)(?:TAA|TAG|TGA)", dna)
    return found[1] if found else ""


@template(
    """
    ? Assign $dna to $s.
    ? Create a variable $s with the sequence $dna.
    $s = $dna
    ? Make a list $l with the three forward reading frames of $s: the sequence from its first, second and third letter.
    ? Store the suffixes of $s that start at 0, 1 and 2 in a list $l.
    $l = [$s[start:] for start in range(3)]
    ? Write a function $f that counts the stop codons TAA, TAG and TGA among the codons of a sequence.
    ? Define $f(seq), which returns how many of the triplets of seq (read from its first letter) are TAA, TAG or TGA.
    def $f(seq):
        return sum(seq[i : i + 3] in ("TAA", "TAG", "TGA") for i in range(0, len(seq), 3))
    ? Apply it to each frame and print the list of the three counts.
    ? Print a list of the number of stops in each frame of $l.
    print([$f(frame) for frame in $l])
    """,
    dna=letters("TTAAG", 15, 40),
    s="seq|dna|contig",
    l="frames|readings|shifted",
    f="stops|count_stops|stop_count",
)
def stops_by_frame(dna: str) -> list[int]:
    """Places of stops by their remainder."""
    places = [m.start() for m in re.finditer("(?=TAA|TAG|TGA)", dna)]
    return [sum(place % 3 == frame for place in places) for frame in (0, 1, 2)]


@template(
    """
    ? Assign the protein sequence $protein to a variable named $s.
    ? Let $s be the protein $protein.
    $s = $protein
    ? Trypsin cuts after K or R, but not if P follows. Insert a dash at each cut and store the text in $m.
    ? Put "-" after every K or R of $s that is not followed by P, and name the result $m.
    import re
    $m = re.sub("([KR])(?!P)", r"\\1-", $s)
    ? Split it at the dashes into the list $l, without empty texts.
    ? Get the peptides as a list $l by splitting at "-"; leave out empty ones.
    $l = [part for part in $m.split("-") if part]
    ? Print the peptides with at least $k letters.
    ? Print the list of those that have $k or more amino acids.
    print([part for part in $l if len(part) >= $k])
    """,
    protein=letters("AGKRPLSK", 14, 30),
    k=pick(2, 3),
    s="protein|chain|seq",
    m="marked|cut|dashed",
    l="peptides|parts|products",
)
def trypsin(protein: str, k: int) -> list[str]:
    """Letter by letter."""
    parts, now = [], ""
    for place, letter in enumerate(protein):
        now += letter
        if letter in "KR" and protein[place + 1 : place + 2] != "P":
            parts.append(now)
            now = ""
    return [part for part in [*parts, now] if len(part) >= k]


@template(
    """
    ? Set $s to the peptide $protein.
    ? Store the amino acid sequence $protein as $s.
    $s = $protein
    ? Create a dictionary $h with the hydropathy values $scale.
    ? Assign the scale $scale to $h.
    $h = $scale
    ? Make a list $v with the value of each amino acid of $s.
    ? Replace each letter of $s by its value; name the list $v.
    $v = [$h[residue] for residue in $s]
    ? Average the values in windows of $k residues. Store the averages, rounded to 2 decimals, in $w.
    ? Let $w be the list of means of $k values in a row, each rounded to two decimals.
    $w = [round(sum($v[i : i + $k]) / $k, 2) for i in range(len($v) - $k + 1)]
    ? Print the highest average.
    ? Print the maximum of $w.
    print(max($w))
    """,
    scale=lambda d: dict(
        d.sample([("A", 1.8), ("I", 4.5), ("K", -3.9), ("L", 3.8), ("S", -0.8), ("G", -0.4)], 4)
    ),
    protein=lambda d: d.text("".join(d["scale"]), 9, 16),
    k=integer(3, 5),
    s="peptide|protein|chain",
    h="hydropathy|scale|values",
    v="profile|numbers|scores",
    w="averages|smooth|means",
)
def hydropathy_peak(protein: str, scale: dict[str, float], k: int) -> float:
    """In tenths, by a running sum."""
    tenths = [round(scale[letter] * 10) for letter in protein]
    sums = [sum(tenths[:k])]
    for old, new in zip(tenths, tenths[k:], strict=False):
        sums.append(sums[-1] - old + new)
    return round(max(sums) / 10 / k, 2)


@template(
    """
    ? Assign the sequences $seqs to a list called $l.
    ? Create the list $l = $seqs.
    $l = $seqs
    ? Define a function $f that takes a sequence and a position 0, 1 or 2 and returns the share of G or C among the letters at that position of the codons.
    ? Write $f(seq, place): the fraction of G and C among every third letter of seq, starting at index place.
    def $f(seq, place):
        letters = seq[place::3]
        return sum(base in "GC" for base in letters) / len(letters)
    ? Compute it for the third position of each sequence and store the list in $g.
    ? Save the values of the last codon position of all sequences as $g.
    $g = [$f(seq, 2) for seq in $l]
    ? Print the mean of $g, rounded to 3 decimals.
    ? Average the list and print the result to three decimals.
    print(round(sum($g) / len($g), 3))
    """,
    seqs=several(
        lambda d: d.text("ACGT", 1, 1) * 3 + "".join(d.choices("ACGT", k=3 * d.randint(3, 6))), 2, 4
    ),
    l="genes|seqs|cds",
    f="gc_at|position_gc|gc_share",
    g="gc3|third|shares",
)
def mean_gc3(seqs: list[str]) -> float:
    """By codons."""
    shares = []
    for seq in seqs:
        ends = Counter(codon[2] in "GC" for codon in re.findall("...", seq))
        shares.append(ends[True] / ends.total())
    return round(sum(shares) / len(shares), 3)


@template(
    """
    ? Store $names as the list $l.
    ? Assign the list of three-letter amino acids $names to $l.
    $l = $names
    ? Create a dictionary $d from the codes "Ala", "Cys", "Gly", "Lys", "Met", "Ser" and "Trp" to the letters A, C, G, K, M, S and W.
    ? Let $d map Ala to A, Cys to C, Gly to G, Lys to K, Met to M, Ser to S and Trp to W.
    $d = {"Ala": "A", "Cys": "C", "Gly": "G", "Lys": "K", "Met": "M", "Ser": "S", "Trp": "W"}
    ? Write the names of $l as one string of letters named $p.
    ? Convert $l to one-letter code and join it as $p.
    $p = "".join($d[name] for name in $l)
    ? Print $p in lower case, with "*" at the end.
    ? Print the lower-case sequence followed by a star.
    print($p.lower() + "*")
    """,
    names=several(pick("Ala", "Cys", "Gly", "Lys", "Met", "Ser", "Trp"), 4, 10),
    l="residues|names|acids",
    d="letters|one_letter|code",
    p="protein|peptide|short",
)
def one_letter_code(names: list[str]) -> str:
    """The first letters, with two exceptions."""
    return "".join({"Lys": "k", "Trp": "w"}.get(name, name[0].lower()) for name in names) + "*"


@template(
    """
    ? Assign the DNA $dna to $s.
    ? Let $s be $dna.
    $s = $dna
    ? Build the standard genetic code as a dictionary $t: the codons in the order of the bases TCAG with the amino acids "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG".
    ? Create a dict $t of all 64 codons, made of the bases in the order T, C, A, G, to the letters of "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG".
    acids = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
    codons = [a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"]
    $t = dict(zip(codons, acids))
    ? Translate the complete codons of $s into the string $p.
    ? Use $t to translate $s from its first letter; ignore letters after the last complete codon. Call the protein $p.
    $p = "".join($t[$s[i : i + 3]] for i in range(0, len($s) - 2, 3))
    ? Print the part of the protein before the first stop, which is written "*".
    ? Print everything in $p before the first "*".
    print($p.split("*")[0])
    """,
    dna=lambda d: "ATG" + d.bases(9, 32),
    s="seq|cds|gene",
    t="code|table|genetic_code",
    p="protein|translated|product",
)
def translation_to_stop(dna: str) -> str:
    """Codon by codon."""
    found = ""
    for codon in re.findall("...", dna):
        if (letter := _amino(codon)) == "*":
            break
        found += letter
    return found


@template(
    """
    ? Create the variables $s = $dna and $n = $place.
    ? Assign $dna to $s and $place to $n.
    $s = $dna
    $n = $place
    ? The number $n is a 1-based position in $s. Compute the 1-based number of the codon that contains it, as $c.
    ? Which codon of $s contains the letter number $n, counting letters and codons from 1? Store the number in $c.
    $c = ($n - 1) // 3 + 1
    ? Also compute the position of the letter inside its codon, which is 1, 2 or 3. Name it $i.
    ? Let $i be the place of this letter in its codon (1 to 3).
    $i = ($n - 1) % 3 + 1
    ? Print the codon, the codon number and the position in the codon, separated by spaces.
    ? Print the three letters of the codon, then $c, then $i on one line.
    print($s[3 * $c - 3 : 3 * $c], $c, $i)
    """,
    dna=lambda d: "".join(d.choices("ACGT", k=3 * d.randint(5, 9))),
    place=lambda d: d.randint(1, len(d["dna"])),
    s="cds|seq|gene",
    n="position|place|site",
    c="codon|codon_number|index",
    i="offset|inside|within",
)
def codon_of_position(dna: str, place: int) -> str:
    """Search in the list of codons."""
    seen = 0
    for number, codon in enumerate(re.findall("...", dna), 1):
        if seen + 3 >= place:
            return f"{codon} {number} {place - seen}"
        seen += 3
    return ""


@template(
    """
    ? Assign $dna to $a and the mutated sequence $changed to $b.
    ? Let $a be $dna and $b be $changed.
    $a = $dna
    $b = $changed
    ? Pair up the codons of the two sequences in a list of tuples called $l.
    ? Create a list $l of tuples with the corresponding codons of $a and $b.
    $l = [($a[i : i + 3], $b[i : i + 3]) for i in range(0, len($a), 3)]
    ? Keep only the pairs that differ, in a list $d.
    ? Select the pairs with different codons as $d.
    $d = [(x, y) for x, y in $l if x != y]
    ? Print how many of them differ in the third letter only.
    ? Print the number of pairs in $d whose first two letters are equal.
    print(sum(x[:2] == y[:2] for x, y in $d))
    """,
    dna=lambda d: "".join(d.choices("ACGT", k=3 * d.randint(4, 8))),
    changed=lambda d: "".join(b if d.random() < 0.75 else d.choice("ACGT") for b in d["dna"]),
    a="wild|original|reference",
    b="mutant|changed|variant",
    l="pairs|codons|both",
    d="different|changes|differing",
)
def wobble_changes(dna: str, changed: str) -> int:
    """By places of differences."""
    places = {i for i in range(len(dna)) if dna[i] != changed[i]}
    return sum(i % 3 == 2 and not {i - 1, i - 2} & places for i in places)


@template(
    """
    ? Make a variable $s with the RNA $rna.
    ? Assign the RNA string $rna to $s.
    $s = $rna
    ? Back-transcribe it: replace U by T and store the DNA in $d.
    ? Store $s with T instead of U as $d.
    $d = $s.replace("U", "T")
    ? Reverse the codons of $d, but not the letters in them: the last codon comes first. Call the result $r.
    ? Split $d into triplets and join them in reverse order as $r.
    triplets = [$d[i : i + 3] for i in range(0, len($d), 3)]
    $r = "".join(reversed(triplets))
    ? Print $r.
    ? Show the reversed sequence.
    print($r)
    """,
    rna=lambda d: "".join(d.choices("ACGU", k=3 * d.randint(3, 8))),
    s="rna|message|mrna",
    d="dna|cdna|template_strand",
    r="reversed_codons|backwards|turned",
)
def reversed_codons(rna: str) -> str:
    """Reverse everything, and then each codon again."""
    return "".join(codon[::-1] for codon in re.findall("...", rna.replace("U", "T")[::-1]))


@template(
    """
    ? Store the sequence $dna in $s.
    ? Define $s as $dna.
    $s = $dna
    ? Find the positions of all ATG in $s, 0-based and in any frame, as the list $p.
    ? Let $p be the list of the indices in $s where "ATG" begins.
    $p = [i for i in range(len($s) - 2) if $s[i : i + 3] == "ATG"]
    ? Group the positions by frame: a dictionary $f from 0, 1 and 2 to the list of positions with this remainder modulo 3.
    ? Create a dict $f with the keys 0, 1, 2, in which each position of $p is in the list of its remainder modulo 3.
    $f = {frame: [i for i in $p if i % 3 == frame] for frame in range(3)}
    ? Print the frame with the most start codons; in a tie, the lowest frame.
    ? Which frame has the most positions? Print it, and the smallest one if several have equally many.
    print(max($f, key=lambda frame: len($f[frame])))
    """,
    dna=lambda d: "".join(d.choice(("ATG", "A", "C", "GT")) for _ in range(d.randint(8, 16))),
    s="seq|contig|dna",
    p="starts|places|positions",
    f="frames|by_frame|groups",
)
def frame_of_most_starts(dna: str) -> int:
    """Counted at once."""
    counts = Counter(m.start() % 3 for m in re.finditer("ATG", dna))
    return min(range(3), key=lambda frame: (-counts[frame], frame))
