"""Python from this machine and from a short list of projects: a corpus for one person.

    multiturn data build local-python

Sources: the standard library, the packages installed beside Multiturn, and the source
distributions below, through this machine's pip. All permissive, at fixed versions.
"""

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.installed import InstalledPython
from multiturn.data.sources.pypi import PyPIProjects

PROJECTS = (
    "aiohttp==3.14.5", "apache-airflow-core==3.3.2", "astropy==8.0.2", "black==26.10.1",
    "bokeh==3.10.2", "boto3==1.44.5", "celery==5.7.0", "cinder==29.0.0", "cryptography==50.0.2",
    "dask==2026.8.0", "datasets==5.2.0", "diffusers==0.42.1", "distributed==2026.8.0",
    "django==6.1.3", "djangorestframework==3.18.3", "fastapi==0.165.0", "flask==3.1.3",
    "flax==0.12.12", "homeassistant==2026.11.0", "horizon==27.0.0", "ipython==9.18.1",
    "ironic==39.0.0", "jax==0.12.0.1", "keras==3.15.1", "keystone==30.0.0",
    "langchain-core==1.8.2", "magnum==23.0.0", "manila==23.0.1", "mlflow==3.18.0", "mypy==2.4.1",
    "networkx==3.7", "neutron==29.0.0", "nltk==3.10.4", "nova==34.0.0", "numpy==2.5.5",
    "octavia==19.0.0", "onnx==1.23.2", "pandas==3.1.1", "peft==0.21.2", "poetry==2.5.1",
    "pydantic==2.14.3", "pytest==9.2.0", "pytorch-lightning==2.6.6", "qiskit==2.6.2",
    "salt==3008.5", "scikit-image==0.26.0", "scikit-learn==1.9.1", "scipy==1.18.1",
    "scrapy==2.19.0", "sentence-transformers==6.2.0", "sphinx==9.2.0", "sqlalchemy==2.1.9",
    "statsmodels==0.15.0", "swift==2.38.3", "sympy==1.14.0", "tempest==47.0.0", "tornado==6.6.1",
    "transformers==5.23.0", "twisted==26.10.0", "wagtail==8.0.1", "werkzeug==3.1.9",
    "xarray==2026.9.0",
)  # fmt: skip

recipe = CorpusRecipe(
    name="local-python",
    sources=(InstalledPython(), PyPIProjects(projects=PROJECTS)),
    steps=code_steps(("python",)),
    stages=corpus_stages((own_problems_path(),)),
)
