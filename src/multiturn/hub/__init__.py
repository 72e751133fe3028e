"""Models by name: verified downloads, checkpoint formats, exports and adapters.

registry, downloads,
store        models by name, their downloads, and where they are stored
sources      hosts of model files
formats      files that hold tensors
checkpoints  files to parameters of a decoder
exports      parameters to the layouts of other engines
adapters     LoRA adapters as files
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
