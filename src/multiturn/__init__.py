"""Multiturn: write programs turn by turn with an open code model.

The package follows the CodeGen paper (Nijkamp et al., arXiv 2203.13474) from the ground
up; imports go down only:

    apps          the command line, the prompt
    synthesis     turns, sessions, the loop, the store
    engines       what writes text: llama.cpp, a scripted fake
    hub           a name becomes verified files
    sandbox       what runs programs in isolation
    text          stop and truncation rules, the table of languages
    core          records, errors, files
"""

__version__ = "0.1.0"
