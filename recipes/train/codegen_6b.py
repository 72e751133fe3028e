"""CodeGen 6.1B: NL, then Multi, then Mono, with the published hyperparameters.

    multiturn train recipes/train/codegen_6b.py:nl
    multiturn train recipes/train/codegen_6b.py:multi
    multiturn train recipes/train/codegen_6b.py:mono

Each stage is initialized from the weights of the one before, with new optimizer state (V).

Hardware: 64 accelerators of 80 GB, fully sharded.
launch/ has files for SLURM, Kubernetes and SkyPilot; with several hosts add
``hosts.processes=null``.
Hours: not run by this project. 44.0 GFLOPs a token at 40% of an H100's bf16 peak on
64 of them would be 177 hours for NL and 76 each for Multi and Mono.
Expected: HumanEval pass@1 of 10.43 (M), 18.16 (M) and 26.13 (S) percent, as the paper
reports for its models.

Hyperparameters, marked V (read in public code), S (second-hand), M (remembered), P (chosen here):
    size          7.06B parameters from the published configuration (V)
    batch         1,048,576 (V; the paper says 2M, M) tokens
    peak, end NL  1.2e-4 to 1.2e-5 (V)
          Multi   0.4e-4 (M) to 0.4e-5 (P)
          Mono    0.4e-4 (M) to 0.4e-5 (P)
    steps         350,000, then 150,000 and 150,000 (M); warm-up 3,000 (M)
    optimizer     Adam 0.9, 0.999, 1e-8; weight decay 0.1 of matrices only (the published
                  code also decays stacked scales and biases); clip 1; z-loss 1e-4 (V)
    mesh, remat   this project's choice; 'multiturn train run RECIPE --show' prints them all
"""

from multiturn.jaxformer.config import MeshConfig
from multiturn.jaxformer.training_chain import chain

configs = chain("6b", mesh=MeshConfig(data=1, fsdp=-1))
