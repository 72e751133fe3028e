"""CodeGen 2.7B: NL, then Multi, then Mono, with the published hyperparameters.

    multiturn train recipes/train/codegen_2b.py:nl
    multiturn train recipes/train/codegen_2b.py:multi
    multiturn train recipes/train/codegen_2b.py:mono

Each stage is initialized from the weights of the one before, with new optimizer state (V).

Hardware: 32 accelerators of 80 GB, fully sharded.
launch/ has files for SLURM, Kubernetes and SkyPilot; with several hosts add
``hosts.processes=null``.
Hours: not run by this project. 17.7 GFLOPs a token at 40% of an H100's bf16 peak on
32 of them would be 142 hours for NL and 61 each for Multi and Mono.
Expected: HumanEval pass@1 of 6.70 (M), 14.51 (M) and 23.70 (S) percent, as the paper
reports for its models.

Hyperparameters, marked V (read in public code), S (second-hand), M (remembered), P (chosen here):
    size          2.78B parameters from the published configuration (V)
    batch         1,048,576 (V) tokens
    peak, end NL  1.6e-4 to 1.6e-5 (V)
          Multi   0.8e-4 (M) to 0.8e-5 (P)
          Mono    0.8e-4 (M) to 0.8e-5 (P)
    steps         350,000, then 150,000 and 150,000 (M); warm-up 3,000 (M)
    optimizer     Adam 0.9, 0.999, 1e-8; weight decay 0.1 of matrices only (the published
                  code also decays stacked scales and biases); clip 1; z-loss 1e-4 (V)
    mesh, remat   this project's choice; 'multiturn train run RECIPE --show' prints them all
"""

from multiturn.jaxformer.config import MeshConfig
from multiturn.jaxformer.training_chain import chain

configs = chain("2b", mesh=MeshConfig(data=1, fsdp=-1))
