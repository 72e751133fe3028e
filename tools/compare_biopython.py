"""Compares gold values of bioinformatics with Biopython. Run where Biopython is installed.

    pip install biopython==1.88
    python -m tools.compare_biopython

Biopython computes them with code that shares nothing with the references: its alignments, its
genetic code, its enzymes, its readers of files, its trees.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from Bio import Phylo, SeqIO
from Bio.Align import PairwiseAligner
from Bio.Data.IUPACData import ambiguous_dna_values
from Bio.Phylo.TreeConstruction import DistanceMatrix, DistanceTreeConstructor
from Bio.Restriction import EcoRI, HaeIII
from Bio.Seq import Seq
from Bio.SeqUtils import MeltingTemp, gc_fraction

Case = Mapping[str, Any]
SET = Path(__file__).parents[1] / "src" / "multiturn" / "benchmarks" / "data"
ENZYMES = {("GAATTC", 1): EcoRI, ("GGCC", 2): HaeIII}


def whole_codons(dna: str) -> Seq:
    """A sequence without the bases at its end that are no codon."""
    return Seq(dna[: len(dna) // 3 * 3])


def aligner(mode: str, match: float, mismatch: float, gap: float) -> Any:
    """An aligner with linear gaps."""
    return PairwiseAligner(
        mode=mode,
        match_score=match,
        mismatch_score=mismatch,
        open_gap_score=gap,
        extend_gap_score=gap,
    )


def base_tally(case: Case) -> object:
    """Counts and GC content."""
    dna = Seq(case["dna"])
    return [[dna.count(base) for base in "ACGT"], gc_fraction(dna, ambiguous="ignore")]


def primer_melting(case: Case) -> object:
    """The Wallace rule."""
    pairs = [[each, MeltingTemp.Tm_Wallace(each, strict=False)] for each in case["primers"]]
    return sorted(pairs, key=lambda pair: pair[1])


def palindromic_sites(case: Case) -> object:
    """Stretches that equal their reverse complement."""
    dna, size = Seq(case["plasmid"]), case["length"]
    pieces = [(start, dna[start : start + size]) for start in range(len(dna) - size + 1)]
    return [[start + 1, str(one)] for start, one in pieces if one.reverse_complement() == one]


def restriction_digest(case: Case) -> object:
    """Fragments of those enzymes that Biopython has."""
    enzyme = ENZYMES.get((case["site"], case["offset"]))
    if enzyme is None:
        return None
    return sorted(map(len, enzyme.catalyse(Seq(case["dna"]), linear=True)), reverse=True)


def degenerate_motif(case: Case) -> object:
    """The ambiguity codes of IUPAC."""
    dna, motif = case["sequence"], case["motif"]
    allowed = [ambiguous_dna_values[letter] for letter in motif]
    return [
        start + 1
        for start in range(len(dna) - len(motif) + 1)
        if all(base in bases for base, bases in zip(dna[start:], allowed, strict=False))
    ]


def translate_until_stop(case: Case) -> object:
    """The standard genetic code."""
    return str(whole_codons(case["cds"]).translate(to_stop=True))


def six_frames(case: Case) -> object:
    """Stop codons on both strands."""
    one = Seq(case["contig"])
    frames = [
        str(whole_codons(strand[offset:]).translate()).count("*")
        for strand in (one, one.reverse_complement())
        for offset in range(3)
    ]
    return [frames, frames.count(0)]


def longest_open_frame(case: Case) -> object:
    """Reading frames that a stop codon ends."""
    best = ""
    for start in range(len(case["dna"])):
        rest = case["dna"][start:]
        protein, stop, _ = str(whole_codons(rest).translate()).partition("*")
        frame = rest[: 3 * len(protein) + 3]
        if rest.startswith("ATG") and stop and len(frame) > len(best):
            best = frame
    return [best, max(0, len(best) // 3 - 1)]


def fasta_lengths(case: Case) -> object:
    """A reader of FASTA."""
    text = StringIO("\n".join(case["lines"]))
    return [[record.id, len(record)] for record in SeqIO.parse(text, "fasta")]


def fastq_reads(case: Case) -> object:
    """A reader of FASTQ."""
    text = StringIO("".join(f"{line}\n" for line in case["lines"]))
    found = []
    for record in SeqIO.parse(text, "fastq"):
        scores = record.letter_annotations["phred_quality"]
        if len(scores) >= case["shortest"] and sum(scores) >= case["minimum"] * len(scores):
            found.append(record.id)
    return found


def global_score(case: Case) -> object:
    """Needleman and Wunsch."""
    found = aligner("global", case["match"], case["mismatch"], case["gap"])
    return found.score(case["query"], case["subject"])


def local_hit(case: Case) -> object:
    """Smith and Waterman, with the ends of all best alignments."""
    found = aligner("local", case["match"], -case["mismatch"], -case["gap"])
    score = found.score(case["probe"], case["target"])
    best = found.align(case["probe"], case["target"]) if score else ()
    return [score, min((int(each.coordinates[1][-1]) for each in best), default=0)]


def edit_distance(case: Case) -> object:
    """An alignment in which every change costs 1."""
    found = aligner("global", 0, -1, -1)
    costs = [-found.score(case["read"], each) for each in case["references"]]
    return [costs.index(min(costs)), min(costs)]


def canonical_words(case: Case) -> object:
    """K-mers of both strands."""
    dna, size = Seq(case["strand"]), case["k"]
    pieces = [dna[start : start + size] for start in range(len(dna) - size + 1)]
    counts = Counter(min(str(one), str(one.reverse_complement())) for one in pieces)
    return [[form, count] for form, count in sorted(counts.items())]


def average_linkage(case: Case) -> object:
    """The two halves of a tree by UPGMA; the distance between them is not compared."""
    between = {frozenset(row[:2]): row[2] for row in case["distances"]}
    names = sorted(set().union(*between))
    rows = [
        [between.get(frozenset((name, other)), 0) for other in names[: at + 1]]
        for at, name in enumerate(names)
    ]
    tree = DistanceTreeConstructor().upgma(DistanceMatrix(names, rows))
    return sorted(sorted(leaf.name for leaf in half.get_terminals()) for half in tree.root.clades)


def newick_depths(case: Case) -> object:
    """A reader of Newick."""
    tree = Phylo.read(StringIO(case["tree"]), "newick")
    depths = {leaf.name: len(tree.get_path(leaf)) for leaf in tree.get_terminals()}
    most = max(depths.values())
    return [len(depths), most, sorted(name for name in depths if depths[name] == most)]


COMPARED: tuple[Callable[[Case], object], ...] = (
    base_tally, primer_melting, palindromic_sites, restriction_digest, degenerate_motif,
    translate_until_stop, six_frames, longest_open_frame, fasta_lengths, fastq_reads,
    global_score, local_hit, edit_distance, canonical_words, average_linkage, newick_depths,
)  # fmt: skip
"""Each computes the answer of the problem of its name; None where Biopython cannot."""


def main() -> int:
    """Compare all cases; 1 if a value differs."""
    lines = (SET / "bioinformatics.jsonl").read_text(encoding="utf-8").splitlines()
    problems = {problem["id"]: problem for problem in map(json.loads, lines)}
    compared = different = 0
    for compute in COMPARED:
        problem = problems[compute.__name__]
        for case, gold in zip(problem["inputs"], problem["outputs"], strict=True):
            found = compute(case)
            expected = gold[:2] if compute is average_linkage else gold
            if found is None:
                continue
            compared += 1
            if json.loads(json.dumps(found)) != expected:
                different += 1
                print(f"{compute.__name__}: {found} for {case}, the set has {expected}")
    print(f"{len(COMPARED)} problems, {compared} cases, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
