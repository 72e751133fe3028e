"""Matrix products and attention with their gradients, native, for training on a CPU.

XLA's CPU backend reaches a part of what the processor can (docs/decisions/0025). `library`
compiles the C++ in `cpp/` on first use; JAX differentiates `matmul` and `attention` and compiles
programs around them. The number of threads never changes a result.
"""
