"""Inference engines behind one protocol: native, JAX, llama.cpp, HTTP servers, scripted."""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
