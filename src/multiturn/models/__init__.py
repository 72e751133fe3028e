"""The decoder in JAX: what CodeGen and the Llama family are, with no word of files.

One alphabet of axes stands in every signature of this package:

    B  batch rows            D  width of the residual stream    V  vocabulary rows
    T  tokens read now       N  query heads                     F  feed-forward width
    S  positions attended    K  key and value heads             L  layers
                             H  size of one head                R  rotated dimensions of a head

`config` says which decoder, `parameters` declares its arrays once, `decoder` is the
forward pass as plain functions, `cache` keeps keys and values, `generate` is the naive
oracle that faster engines are held against, `plan` counts without allocating.
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
