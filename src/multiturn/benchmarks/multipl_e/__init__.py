"""MultiPL-E: HumanEval translated to other languages, its problem files, verdicts and results.

Source: Cassano et al., "MultiPL-E", arXiv 2208.08227, and the public repository of its authors.
"""
