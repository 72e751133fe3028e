"""The decoder as one native program for the CPU, behind two calls of `jax.ffi`.

`build` compiles the C++ in `cpp/` on first use and keeps the library, `library` loads it,
`decoder` packs a model's weights and runs it. Where no compiler is found, `models.decoder`
does the same, slower.

What it promises beyond speed: the numbers of a token depend, to the last bit, on the tokens
before it in its own row alone. Not on the other rows, on how many tokens are read at once,
on the capacity of the cache or on the number of threads.
"""
