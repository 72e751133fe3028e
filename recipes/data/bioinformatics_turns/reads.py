"""Templates about FASTA and FASTQ text, and about reads and their qualities."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import takewhile

from recipes.data.bioinformatics_turns.drawing import Draw, dna, integer, pick, several
from recipes.data.bioinformatics_turns.template import template

_NAMES = ("chrA", "geneX", "contig7", "rpoB", "tp53", "actin", "lacZ", "seq12", "phage2")
_QUALITY = "!#$%&()*+,-./0123456789:;<=>?@ABCDEFGHI".replace("$", "")


def _fasta(draw: Draw) -> list[str]:
    """The lines of a FASTA file whose sequences have one to three lines."""
    lines = []
    for name in draw.sample(_NAMES, draw.randint(2, 4)):
        lines += [f">{name}", *(draw.bases(4, 9) for _ in range(draw.randint(1, 3)))]
    return lines


def _fastq(draw: Draw) -> list[str]:
    """The lines of a FASTQ file."""
    lines = []
    for number in range(draw.randint(2, 4)):
        read = draw.bases(5, 9)
        lines += [f"@r{number + 1}", read, "+", "".join(draw.choices(_QUALITY, k=len(read)))]
    return lines


@template(
    """
    ? Assign the lines of a FASTA file, $lines, to a list named $l.
    ? Let $l be the list of lines $lines.
    $l = $lines
    ? Create a dictionary $d from the name of each record (without ">") to its sequence; join sequences that have several lines.
    ? Parse $l into a dict $d. A line that starts with ">" gives a name, and the lines below it are the parts of its sequence.
    $d = {}
    for line in $l:
        if line.startswith(">"):
            name = line[1:]
            $d[name] = ""
        else:
            $d[name] += line
    ? Find the name of the longest sequence; the first one in a tie. Store it as $m.
    ? Which record has the longest sequence? Save its name in $m (the earliest, if several are equally long).
    $m = max($d, key=lambda name: len($d[name]))
    ? Print the name and the length of its sequence, separated by a tab.
    ? Print $m, a tab, and how long its sequence is.
    print($m, len($d[$m]), sep="\\t")
    """,
    lines=_fasta,
    l="lines|fasta|rows",
    d="records|seqs|sequences",
    m="longest|best|winner",
)
def longest_fasta_record(lines: list[str]) -> str:
    """By splitting the text."""
    found = []
    for part in "\n".join(lines).split(">")[1:]:
        name, _, rest = part.partition("\n")
        found.append((-len(rest.replace("\n", "")), name))
    size, name = min(found, key=lambda pair: pair[0])
    return f"{name}\t{-size}"


@template(
    """
    ? Store the FASTA text $text in a variable $t.
    ? Assign the string $text to $t.
    $t = $text
    ? Split it into lines and keep those that begin with ">" in a list $h.
    ? Collect the header lines, which start with ">", in a list called $h.
    $h = [line for line in $t.splitlines() if line.startswith(">")]
    ? From each header take the first word without the ">" sign. Store the list as $i.
    ? Make a list $i of the ids: the text between ">" and the first space of each header.
    $i = [line[1:].split()[0] for line in $h]
    ? Print the ids in alphabetical order, joined with ";".
    ? Print the sorted ids with a semicolon between them.
    print(";".join(sorted($i)))
    """,
    text=lambda d: "".join(
        f">{name} {d.choice(('Homo sapiens', 'Mus musculus', 'test', 'partial cds'))}\n{d.bases(5, 9)}\n"
        for name in d.sample(_NAMES, d.randint(2, 4))
    ),
    t="text|fasta|content",
    h="headers|titles|heads",
    i="ids|names|accessions",
)
def fasta_ids(text: str) -> str:
    """By a regular expression."""
    return ";".join(sorted(re.findall(r">(\S+)", text)))


@template(
    """
    ? Assign the FASTQ lines $lines to $l.
    ? Create a list $l with the lines of a FASTQ file: $lines.
    $l = $lines
    ? Every record has four lines. Group them into a list $r of lists of four lines.
    ? Split $l into consecutive groups of four; the list of groups is $r.
    $r = [$l[i : i + 4] for i in range(0, len($l), 4)]
    ? Write a function $f that takes a quality string and returns the mean Phred score, where a score is the character code minus 33.
    ? Define $f(quality): the average of ord(character) - 33 over the characters of quality.
    def $f(quality):
        return sum(ord(c) - 33 for c in quality) / len(quality)
    ? Make a list $k with the names (without "@") of the reads whose mean score is at least $limit.
    ? Keep the reads with a mean quality of $limit or more, and store their names, without the "@", as $k.
    $k = [name[1:] for name, _, _, quality in $r if $f(quality) >= $limit]
    ? Print $k.
    ? Print the list of names.
    print($k)
    """,
    lines=_fastq,
    limit=pick(18, 20, 22),
    l="lines|fastq|raw",
    r="reads|records|groups",
    f="mean_quality|average|mean_phred",
    k="passed|good|selected",
)
def good_reads(lines: list[str], limit: int) -> list[str]:
    """Sums compared with the limit times the length."""
    found = []
    for name, quality in zip(lines[::4], lines[3::4], strict=True):
        if sum(quality.encode()) - 33 * len(quality) >= limit * len(quality):
            found.append(name.lstrip("@"))
    return found


@template(
    """
    ? Assign the read $read to $s and its quality string $quality to $q.
    ? Let $s be $read and $q be $quality.
    $s = $read
    $q = $quality
    ? Convert $q to a list of Phred scores with offset 33, named $p.
    ? Make the list $p of scores: the ASCII code of each character minus 33.
    $p = [ord(c) - 33 for c in $q]
    ? Start with $e as the length of the read, and lower it while the last remaining base has a score below $limit.
    ? Trim from the 3' end: $e is the number of bases that remain when bases with scores below $limit are removed from the end, until one is at least $limit.
    $e = len($s)
    while $e > 0 and $p[$e - 1] < $limit:
        $e -= 1
    ? Print the trimmed read.
    ? Print the first $e letters of the read.
    print($s[:$e])
    """,
    read=dna(10, 16),
    limit=pick(15, 20),
    s="read|seq|bases",
    q="quality|qual|encoded",
    p="scores|phred|values",
    quality=lambda d: "".join(
        d.choice("#&,0" if i > len(d["read"]) - 5 else "579BEFI") for i in range(len(d["read"]))
    ),
    e="end|length|keep",
)
def trimmed_read(read: str, quality: str, limit: int) -> str:
    """Without the bad letters at the front of the reversed read."""
    bad = list(takewhile(lambda c: ord(c) < 33 + limit, reversed(quality)))
    return read[: len(read) - len(bad)]


@template(
    """
    ? Create a list $l of the reads $reads and a variable $a with the adapter $adapter.
    ? Assign $reads to $l and $adapter to $a.
    $l = $reads
    $a = $adapter
    ? Define a function $f(read, adapter) that cuts a read before the first occurrence of the adapter; a read without it stays as it is.
    ? Write a function $f that takes a read and an adapter and returns the part of the read before the adapter, or all of the read if it is not there.
    def $f(read, adapter):
        place = read.find(adapter)
        return read if place < 0 else read[:place]
    ? Trim all reads and drop those with fewer than $k letters. Name the list $t.
    ? Let $t be the list of the trimmed reads that have at least $k letters.
    $t = [part for part in ($f(read, $a) for read in $l) if len(part) >= $k]
    ? Print the number of reads in $t and their total length, separated by a space.
    ? Print how many reads remain, and then the sum of their lengths, on one line.
    print(len($t), sum(len(part) for part in $t))
    """,
    adapter=pick("AGAT", "CTGT", "GGAA"),
    k=integer(4, 6),
    l="reads|library|seqs",
    a="adapter|linker|primer",
    reads=lambda d: [
        d.text("ACT", 2, 9) + d.choice((d["adapter"], "")) + d.bases(0, 4)
        for _ in range(d.randint(3, 6))
    ],
    f="trim|cut|clip",
    t="trimmed|kept|clean",
)
def adapters_cut(reads: list[str], adapter: str, k: int) -> str:
    """By splitting."""
    sizes = [size for read in reads if (size := len(read.split(adapter)[0])) >= k]
    return f"{len(sizes)} {sum(sizes)}"


@template(
    """
    ? Assign the list of contig lengths $sizes to $l.
    ? Store the lengths $sizes of the contigs of an assembly in $l.
    $l = $sizes
    ? Sort them from the longest to the shortest as $o.
    ? Create a list $o with the lengths in descending order.
    $o = sorted($l, reverse=True)
    ? Compute half of the total length and call it $h.
    ? Let $h be the sum of all lengths divided by 2.
    $h = sum($l) / 2
    ? Add up the lengths of $o one by one until the sum is at least $h; the last length that was added is the N50. Store it in $n.
    ? Find the N50 as $n: go through $o, and stop at the length with which the running total reaches $h or more.
    total = 0
    for $n in $o:
        total += $n
        if total >= $h:
            break
    ? Print $n.
    ? Print the N50.
    print($n)
    """,
    sizes=several(integer(2, 90), 5, 10),
    l="lengths|contigs|sizes",
    o="ordered|descending|ranked",
    h="half|goal|needed",
    n="n50|size|answer",
)
def n50(sizes: list[int]) -> int:
    """The largest length that contigs of at least that length half cover."""
    return max(n for n in sizes if 2 * sum(s for s in sizes if s >= n) >= sum(sizes))


@template(
    """
    ? Store the Phred scores $scores in a list named $l.
    ? Assign $scores to $l.
    $l = $scores
    ? The error probability of a score Q is 10 ** (-Q / 10). Compute the list of probabilities as $p.
    ? Convert each score to its probability of error, 10 to the power of minus a tenth of the score, in a list $p.
    $p = [10 ** (-score / 10) for score in $l]
    ? Add them up to get the expected number of errors, $e.
    ? Let $e be the sum of the probabilities.
    $e = sum($p)
    ? Print True if it is at most $limit, and False otherwise, after the number rounded to 4 decimals.
    ? Print $e rounded to 4 decimals, then a space, then whether it is not greater than $limit.
    print(round($e, 4), $e <= $limit)
    """,
    scores=several(pick(8, 10, 12, 20, 25, 30, 37, 40), 5, 10),
    limit=pick(0.25, 0.5),
    l="scores|qualities|phred",
    p="errors|probabilities|risks",
    e="expected|total|mean_errors",
)
def expected_errors(scores: list[int], limit: float) -> str:
    """By exponentials, most precisely summed."""
    total = math.fsum(math.exp(-score * math.log(10) / 10) for score in scores)
    return f"{round(total, 4)} {total <= limit}"


@template(
    """
    ? Assign the reads $reads to the list $l.
    ? Create a list named $l with the items $reads.
    $l = $reads
    ? The first $k letters of a read are its barcode. Group the reads by barcode: a dictionary $d from a barcode to the list of the rests of its reads.
    ? Build a dict $d. Its keys are the first $k letters of the reads, and each value is the list of what follows them, in the order of $l.
    $d = {}
    for read in $l:
        $d.setdefault(read[:$k], []).append(read[$k:])
    ? Print the barcodes with more than one read, in alphabetical order, as a list.
    ? Print a sorted list of the barcodes that occur at least twice.
    print(sorted(code for code, rest in $d.items() if len(rest) > 1))
    """,
    k=pick(2, 3),
    reads=lambda d: [
        d.choice(("ACG", "ACT", "TTG", "GAC")) + d.bases(3, 6) for _ in range(d.randint(5, 8))
    ],
    l="reads|pool|seqs",
    d="groups|samples|by_barcode",
)
def repeated_barcodes(reads: list[str], k: int) -> list[str]:
    """By counting."""
    counts = Counter(read[:k] for read in reads)
    return sorted(counts.keys() - {code for code in counts if counts[code] == 1})


@template(
    """
    ? Let $l be the list of reads $reads, all of the same length.
    ? Assign the list $reads to $l.
    $l = $reads
    ? Make a list $c of the columns: the letters of all reads at each position, as tuples.
    ? Transpose the reads with zip and store the list of columns as $c.
    $c = list(zip(*$l))
    ? Compute the number of different letters in each column as $n.
    ? For each column count its distinct letters. Keep the counts in a list $n.
    $n = [len(set(column)) for column in $c]
    ? Print the 1-based numbers of the columns where all reads agree, as a list.
    ? Print a list of all positions, counted from 1, at which there is a single letter.
    print([i for i, count in enumerate($n, start=1) if count == 1])
    """,
    start=dna(8, 14),
    reads=lambda d: [
        "".join(base if d.random() < 0.8 else d.choice("ACGT") for base in d["start"])
        for _ in range(d.randint(3, 4))
    ],
    l="reads|rows|aligned",
    c="columns|sites|by_position",
    n="variety|counts|different",
)
def constant_columns(reads: list[str]) -> list[int]:
    """Against the first read."""
    first, *rest = reads
    return [i + 1 for i in range(len(first)) if not any(read[i] != first[i] for read in rest)]


@template(
    """
    ? Assign the SAM flag $flag to a variable $f.
    ? Let $f be the flag $flag of an alignment.
    $f = $flag
    ? Create a dictionary $d of the meanings of some bits: 1 "paired", 4 "unmapped", 16 "reverse", 64 "first", 128 "second", 1024 "duplicate".
    ? Store {1: "paired", 4: "unmapped", 16: "reverse", 64: "first", 128: "second", 1024: "duplicate"} as $d.
    $d = {
        1: "paired",
        4: "unmapped",
        16: "reverse",
        64: "first",
        128: "second",
        1024: "duplicate",
    }
    ? Collect the words whose bit is set in $f, from the lowest to the highest bit, in a list $w.
    ? Make a list $w with the meaning of every bit of $d that is set in the flag.
    $w = [word for bit, word in $d.items() if $f & bit]
    ? Print them with ", " between them.
    ? Join $w with a comma and a space, and print it.
    print(", ".join($w))
    """,
    flag=lambda d: sum(d.sample((1, 4, 16, 64, 128, 1024, 2, 32), d.randint(2, 5))) | 1,
    f="flag|bits|code",
    d="meanings|names|table",
    w="words|set_bits|found",
)
def sam_flag(flag: int) -> str:
    """By the binary digits."""
    digits = f"{flag:012b}"[::-1]
    words = {0: "paired", 2: "unmapped", 4: "reverse", 6: "first", 7: "second", 10: "duplicate"}
    return ", ".join(word for place, word in words.items() if digits[place] == "1")


@template(
    """
    ? Assign the CIGAR string $cigar to $c.
    ? Let $c be the CIGAR string $cigar of an aligned read.
    $c = $cigar
    ? Use the re module to split it into a list $l of tuples of a length (an integer) and a letter.
    ? Import re and parse $c into a list $l of (length, operation) tuples with integer lengths.
    import re
    $l = [(int(n), op) for n, op in re.findall(r"(\\d+)([MIDNSH=X])", $c)]
    ? M, D, N, = and X move along the reference. Sum the lengths of these operations as $r.
    ? Compute how many reference bases are covered: the total length of the operations M, D, N, = and X. Name it $r.
    $r = sum(n for n, op in $l if op in "MDN=X")
    ? M, I, S, = and X use letters of the read. Sum their lengths in the same way as $q.
    ? Also compute the length of the read, $q, from the operations M, I, S, = and X.
    $q = sum(n for n, op in $l if op in "MIS=X")
    ? The alignment starts at the 1-based reference position $start. Print its last reference position and the length of the read.
    ? With a start at position $start (1-based), print the position of the last reference base and then $q, on one line.
    print($start + $r - 1, $q)
    """,
    cigar=lambda d: (
        f"{d.choice(('', '3S', '5S'))}{d.randint(5, 40)}M{d.randint(1, 4)}{d.choice('ID')}{d.randint(5, 40)}M{d.choice(('', '2D7M', '100N20M', '4S'))}"
    ),
    start=integer(100, 5000),
    c="cigar|operations|alignment",
    l="parts|steps|ops",
    r="on_reference|span|covered",
    q="read_length|query|used",
)
def cigar_end(cigar: str, start: int) -> str:
    """Operation by operation."""
    sums: dict[str, int] = defaultdict(int)
    size = ""
    for letter in cigar:
        if letter.isdigit():
            size += letter
        else:
            sums[letter] += int(size)
            size = ""
    both = sums["M"] + sums["="] + sums["X"]
    return f"{start + both + sums['D'] + sums['N'] - 1} {both + sums['I'] + sums['S']}"


@template(
    """
    ? Store $seq in $s and the width $w in $n.
    ? Assign the sequence $seq to $s, and $w to $n.
    $s = $seq
    $n = $w
    ? Cut $s into lines of $n letters (the last one may be shorter) and keep them in a list $l.
    ? Make a list $l of pieces of $s with $n letters each; the last piece is what remains.
    $l = [$s[i : i + $n] for i in range(0, len($s), $n)]
    ? Put a FASTA header for the name $name in front of the list.
    ? Insert the header line ">${name}" at the beginning of $l.
    $l.insert(0, ">${name}")
    ? Print the lines, one below the other.
    ? Print $l as text with a line break between the items.
    print("\\n".join($l))
    """,
    seq=dna(15, 35),
    w=integer(6, 12),
    name=pick(*_NAMES),
    s="seq|contig|dna",
    n="width|columns|size",
    l="lines|rows|wrapped",
)
def wrapped_fasta(seq: str, w: int, name: str) -> str:
    """By regular expressions."""
    return "\n".join([f">{name}", *re.findall(f".{{1,{w}}}", seq)])
