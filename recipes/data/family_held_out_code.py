"""Held-out code for the family: Python newer than its corpus, and its five other languages.

    multiturn data build family-held-out-code

Sources, none of which is in local-multi or local-python:

- Python releases that were uploaded after 2026-11-17 20:24 UTC, when the newest source distribution
  of local-python was uploaded (boto3 1.44.5). The projects are new to the models too.
- the upstream archives of Debian source packages, and npm packages at fixed versions.

Documents that share lines with the code that the family is trained on are dropped.
"""

from pathlib import Path

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.decontamination.stage import Decontaminate
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.dedup.unseen import Unseen
from multiturn.data.presets import code_steps
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.file_filter import CODE_ENDINGS, FileFilter
from multiturn.data.sources.npm import NpmPackages
from multiturn.data.sources.pypi import PyPIProjects

PYTHON = (
    "anthropic==2.14.0",  # 2026-11-24
    "coverage==7.17.5",  # 2026-11-23
    "faker==40.63.0",  # 2026-11-20
    "google-genai==3.6.1",  # 2026-11-18
    "langgraph==1.2.24",  # 2026-11-20
    "litellm==1.108.14",  # 2026-11-20
    "tox==4.67.15",  # 2026-11-17 22:39
)

DEBIAN = (
    # C
    "expat", "libevent", "libuv1", "libyaml", "lz4",
    # C++
    "catch2", "rapidjson", "simdjson", "yaml-cpp",
    # Go
    "golang-github-gorilla-mux", "golang-github-spf13-cobra", "golang-testify",
    # Java
    "jackson-core", "jsoup", "libcommons-codec-java", "libcommons-lang3-java",
)  # fmt: skip

NPM = (
    "axios@1.21.1", "chart.js@4.6.1", "fastify@5.12.8", "koa@3.3.0", "marked@18.2.1",
    "preact@11.2.0", "yargs@18.2.0",
)  # fmt: skip

recipe = CorpusRecipe(
    name="family-held-out-code",
    sources=(
        PyPIProjects(projects=PYTHON),
        DebianSources(packages=DEBIAN, wanted=FileFilter(endings=CODE_ENDINGS)),
        NpmPackages(packages=NPM),
    ),
    steps=code_steps(("c", "cpp", "go", "java", "javascript", "python")),
    stages=(
        Deduplicate(),
        Decontaminate(problems=(own_problems_path(),)),
        Unseen(corpora=(Path("corpora/family-multi"), Path("corpora/family-python"))),
    ),
)
