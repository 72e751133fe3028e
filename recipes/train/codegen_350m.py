"""CodeGen 350M: NL, then Multi, then Mono, with the published hyperparameters.

    multiturn train recipes/train/codegen_350m.py:nl
    multiturn train recipes/train/codegen_350m.py:multi
    multiturn train recipes/train/codegen_350m.py:mono

Each stage is initialized from the weights of the one before, with new optimizer state (V).

Hardware: 8 accelerators of 80 GB (pure data parallel: weights and optimizer take 4.3 GB).
launch/ has files for SLURM, Kubernetes and SkyPilot; with several hosts add
``hosts.processes=null``.
Hours: not run by this project. 2.4 GFLOPs a token at 40% of an H100's bf16 peak on
8 of them would be 39 hours for NL and 17 each for Multi and Mono.
Expected: HumanEval pass@1 of 2.12 (M), 6.67 (M) and 12.76 (S) percent, as the paper
reports for its models.

Hyperparameters, marked V (read in public code), S (second-hand), M (remembered), P (chosen here):
    size          0.357B parameters from the published configuration (V)
    batch         524,288 (V) tokens
    peak, end NL  3.0e-4 to 3.0e-5 (V)
          Multi   1.8e-4 (V) to 3.0e-5 (V)
          Mono    1.8e-4 (M) to 3.0e-5 (P)
    steps         350,000, then 150,000 and 150,000 (V); warm-up 3,000 (V)
    optimizer     Adam 0.9, 0.999, 1e-8; weight decay 0.1 of matrices only (the published
                  code also decays stacked scales and biases); clip 1; z-loss 1e-4 (V)
    mesh, remat   this project's choice; 'multiturn train run RECIPE --show' prints them all
"""

from multiturn.jaxformer.config import MeshConfig
from multiturn.jaxformer.training_chain import chain

configs = chain("350m", mesh=MeshConfig(data=-1))
