"""Python for bioinformatics from a short list of projects, to tune a model to that domain.

    multiturn data build bioinformatics

Sources: the source distributions below, through this machine's pip. All permissive, at fixed
versions; a file under another licence is dropped. Biopython's own licence is allowed: it requires
no more than a notice, and SPDX has no name for it. No problem of the benchmarks that such a model
is measured on is in the corpus: the included sets, and HumanEval, whose file is downloaded once.
"""

from dataclasses import replace

from multiturn.benchmarks.problem_files import problem_files
from multiturn.data.filters.licence import AllowedLicence
from multiturn.data.licences.expressions import PERMISSIVE
from multiturn.data.licences.texts import BIOPYTHON
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.pypi import PyPIProjects

PROJECTS = (
    # sequences, reads and alignments
    "biopython==1.88", "scikit-bio==0.7.4", "biotite==2.0.0", "cogent3==2026.10.22",
    "bx-python==0.15.1", "pydna==5.5.16", "pysam==0.24.1", "dnaio==1.2.4", "pyfaidx==0.9.2.2",
    "cutadapt==5.2", "umi-tools==1.1.6", "screed==1.2.0", "sourmash==4.9.4",
    "dna-features-viewer==3.1.5", "logomaker==0.8.7",
    # intervals and annotation
    "bioframe==0.8.0", "pyranges==0.1.7", "pybedtools==0.12.1", "gffutils==0.14",
    "bcbio-gff==0.7.1", "gtfparse==3.0.5", "pyensembl==2.32.3", "macs3==3.1.0", "cooler==0.11.0",
    "pairtools==1.1.2",
    # variants and populations
    "vcfpy==0.14.2", "pyvcf3==1.0.4", "cyvcf2==0.34.0", "hgvs==1.5.7", "bioutils==0.6.2",
    "varcode==10.21.1", "whatshap==2.8", "scikit-allel==1.3.13", "tskit==1.0.3",
    # trees, tables and proteins
    "dendropy==5.1.3", "biom-format==2.1.18", "anndata==0.13.4",
    "scanpy==1.12.4", "pyteomics==5.0.1", "pymzml==2.7.0",
)  # fmt: skip

recipe = CorpusRecipe(
    name="bioinformatics",
    sources=(PyPIProjects(projects=PROJECTS),),
    steps=tuple(
        replace(step, allowed=PERMISSIVE | {BIOPYTHON})
        if isinstance(step, AllowedLicence)
        else step
        for step in code_steps(("python",))
    ),
    stages=corpus_stages(problem_files()),
)
