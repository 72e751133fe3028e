"""A model's name becomes verified files on this machine, and files become parameters.

registry, pull, store  names, what is fetched for them, where it lies
sources                where bytes may come from
formats                files that hold tensors
checkpoints            from files to a decoder's parameters
exports                and back, in the layouts of other engines
adapters               LoRA adapters as files
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
