"""CodeGen 16.1B: NL, then Multi, then Mono, with the published hyperparameters.

    multiturn train recipes/train/codegen_16b.py:nl
    multiturn train recipes/train/codegen_16b.py:multi
    multiturn train recipes/train/codegen_16b.py:mono

Each stage is initialized from the weights of the one before, with new optimizer state (V).

Hardware: 256 accelerators of 80 GB: 64 fully sharded x 4 tensor parallel.
launch/ has files for SLURM, Kubernetes and SkyPilot; with several hosts add
``hosts.processes=null``.
Hours: not run by this project. 98.7 GFLOPs a token at 40% of an H100's bf16 peak on
256 of them would be 199 hours for NL and 85 each for Multi and Mono.
Expected: HumanEval pass@1 of 14.24 (M), 18.32 (M) and 29.28 (S) percent, as the paper
reports for its models.

Hyperparameters, marked V (read in public code), S (second-hand), M (remembered), P (chosen here):
    size          16.03B parameters from the published configuration (V)
    batch         2,097,152 (S) tokens
    peak, end NL  0.9e-4 (M) to 0.9e-5 (P)
          Multi   0.5e-4 (M) to 0.5e-5 (P)
          Mono    0.5e-4 (S) to 0.5e-5 (P)
    steps         350,000, then 150,000 and 150,000 (M); warm-up 3,000 (M)
    optimizer     Adam 0.9, 0.999, 1e-8; weight decay 0.1 of matrices only (the published
                  code also decays stacked scales and biases); clip 1; z-loss 1e-4 (V)
    mesh, remat   this project's choice; 'multiturn train run RECIPE --show' prints them all
"""

from multiturn.jaxformer.config import MeshConfig
from multiturn.jaxformer.training_chain import chain

configs = chain("16b", mesh=MeshConfig(data=1, fsdp=-1, tensor=4))
