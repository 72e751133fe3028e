"""Multi-turn program synthesis: specifications, sessions, the loop and the store."""

from multiturn.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(__name__, __file__)
