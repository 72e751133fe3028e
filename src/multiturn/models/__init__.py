"""The decoder in JAX, for the CodeGen and Llama families. File formats are in `hub`.

One alphabet of axes stands in every signature of this package:

    B  batch rows            D  model dimension                 V  vocabulary rows
    T  new tokens            N  query heads                     F  MLP dimension
    S  positions attended    K  key and value heads             L  layers
                             H  head dimension                  R  rotated dimensions of a head

`config` describes a decoder, `parameters` declares its arrays, `decoder` is the forward pass,
`cache` the KV cache, `sampling` samples tokens, `generate` is the reference that engines are tested
against, `plan` computes sizes without allocating.
"""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
