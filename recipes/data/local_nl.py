"""English prose from the documentation of a short list of projects.

    multiturn data build local-nl

Sources: the documentation in the source distributions and Debian source packages below,
through this machine's pip and apt. It stands in for The Pile where that cannot be had.
"""

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.presets import corpus_stages, prose_steps
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.file_filter import FileFilter
from multiturn.data.sources.pypi import PyPIProjects

PROSE = FileFilter(endings=(".rst", ".md", ".txt"))

PYPI = (
    "astropy==8.0.2", "celery==5.7.0", "cinder==29.0.0", "dask==2026.8.0", "django==6.1.3",
    "ironic==39.0.0", "keystone==30.0.0", "manila==23.0.1", "networkx==3.7", "neutron==29.0.0",
    "nova==34.0.0", "numpy==2.5.5", "salt==3008.5", "scikit-learn==1.9.1", "scipy==1.18.1",
    "scrapy==2.19.0", "sphinx==9.2.0", "sqlalchemy==2.1.9", "statsmodels==0.15.0",
    "swift==2.38.3", "sympy==1.14.0", "twisted==26.10.0",
)  # fmt: skip

DEBIAN = ("etcd", "golang-1.19", "grpc", "mesa")

recipe = CorpusRecipe(
    name="local-nl",
    sources=(
        PyPIProjects(projects=PYPI, wanted=PROSE),
        DebianSources(packages=DEBIAN, wanted=PROSE),
    ),
    steps=prose_steps(),
    stages=corpus_stages((own_problems_path(),)),
)
