"""The decoder in JAX: the CodeGen family and the Llama family."""
