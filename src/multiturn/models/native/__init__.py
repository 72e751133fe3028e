"""The decoder as native code for the CPU, called through ctypes with numpy arrays; no JAX.

`build` compiles the C++ in `cpp/` on first use and caches the library, `library` loads it,
`decoder` packs a model's weights and runs it, `paged_cache` is the KV cache. Without a compiler
`models.decoder` computes the same, slower.

The kernels are batch-invariant: the results for a token depend, to the last bit, on the tokens
before it in its own row alone, and not on other rows, on how many tokens are computed at once or on
the number of threads.
"""
