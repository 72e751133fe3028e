"""Multiturn: write programs turn by turn with an open code model.

The package follows the CodeGen paper (Nijkamp et al., arXiv 2203.13474); imports go down only:

    apps          the command line, the prompt, the server and the notebook
    benchmarks    problem sets, arms, oracles, pass@k, the resumable runner
    synthesis     turns, sessions, the loop, the store
    jaxformer     training (the paper's name): the step, meshes, exact resume, LoRA
    engines       text generation: llama.cpp, JAX and native kernels, servers
    data          corpora: sources, filters, deduplication, provenance, packing
    hub           a name becomes verified files; checkpoint formats and exports
    models        the decoder in JAX; native CPU kernels
    sandbox       runs programs in isolation, and the oracles that judge them
    text          tokenizers, stop and truncation rules, the table of languages
    core          records, errors, files

Public names load when they are first used, so ``import multiturn`` is quick and needs no optional
package::

    from multiturn import SessionStore, Synthesizer, open_engine, open_sandbox
"""

from multiturn.core.lazy import lazy_exports

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_exports(__name__, __file__)
