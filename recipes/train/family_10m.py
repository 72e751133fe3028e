"""The family's 10M: NL, then Multi, then Mono, on corpora that this machine builds.

    multiturn train chain family-10m

The command builds the corpora that are missing, and trains the three stages one after another. It
can be stopped at any moment; the same command goes on. A stage by itself is
``multiturn train family-10m:nl``, ``:multi`` or ``:mono``.

Hardware: 2 CPU cores and a C++ compiler. Time: 80 minutes for the three stages (the budget in
docs/results/family/plan.md), after half an hour for the corpora (3 GB of downloads and files).
Expected: docs/results/family.md.
Data: family-nl, family-multi and family-python, of which it sees 3.1M, 4.6M and 4.6M tokens.

All hyperparameters are this project's choice: 6 layers of width 384, 10.64M parameters without
embeddings (13.78M with them); see `multiturn.jaxformer.family`.
"""

from multiturn.jaxformer.family import FAMILY_CORPORA, family_chain

corpora = FAMILY_CORPORA
configs = family_chain("10m")
