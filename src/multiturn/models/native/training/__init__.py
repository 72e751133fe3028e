"""Products and attention with their gradients, native, for training on a CPU.

XLA's CPU backend reaches a part of what the processor can (docs/decisions/0025). `library`
compiles the C++ in `cpp/` on first use, `products` and `attention` are functions that JAX
differentiates and compiles around. A number never depends on how many threads there are.
"""
