"""The device mesh, and training on several hosts."""
