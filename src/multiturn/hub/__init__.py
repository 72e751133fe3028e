"""A model's name becomes verified files on this machine.

`pull` is the door: it takes a name of the registry, or the path of a GGUF file, and returns
the local path. `gguf` reads what a model file says about itself.
"""
