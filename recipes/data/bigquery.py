"""BigQuery: six languages under permissive licences from BigQuery's public GitHub data.

    multiturn data bigquery                        # what it would scan and cost; spends nothing
    multiturn data bigquery --export gs://BUCKET/github --spend-at-most DOLLARS
    GITHUB_EXPORT=gs://BUCKET/github multiturn data build recipes/data/bigquery.py

Any path of fsspec does for GITHUB_EXPORT, so also a copy of the export on disk.
Expected: 341.1 GiB and 119.2B tokens in the paper (table 5); the public tables change little.
Differs from the paper: secrets and personal data are redacted, Python must compile, and the
few harmful files are dropped. Take steps out to come closer.
"""

import os

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.core.errors import InputError
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.bigquery import GITHUB_FIELDS, GITHUB_LICENCES
from multiturn.data.sources.parquet import Parquet

EXPORT = os.environ.get("GITHUB_EXPORT")
if not EXPORT:
    raise InputError(
        "GITHUB_EXPORT is not set",
        fix="run `multiturn data bigquery --export gs://...`, and set it to that folder",
    )

recipe = CorpusRecipe(
    name="bigquery",
    sources=(
        Parquet(paths=(EXPORT,), fields=GITHUB_FIELDS, licences=GITHUB_LICENCES, label="github"),
    ),
    steps=code_steps(),
    stages=corpus_stages((own_problems_path(),), header=True),
)
