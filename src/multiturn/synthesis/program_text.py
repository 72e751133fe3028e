"""The text of a program written in turns: each prompt as a comment above its code."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["as_comment", "program_text", "verbatim_comment"]


def as_comment(prompt: str) -> str:
    r"""A prompt as Python comment lines, each ending with a newline.

    Lines after the first that are comments already stay as they are, as in the prompts of the
    published benchmark; trailing blanks stay too.

    Example:
        >>> as_comment("Read the file.\nCount its lines. ")
        '# Read the file.\n# Count its lines. \n'
        >>> as_comment("Write triple(n).\n# triple(2) = 6")
        '# Write triple(n).\n# triple(2) = 6\n'
    """
    first, *others = prompt.split("\n")
    marked = (line if line.startswith("#") else f"# {line}" if line else "#" for line in others)
    return "".join(f"{line}\n" for line in (f"# {first}", *marked))


def verbatim_comment(prompt: str) -> str:
    r"""A prompt as the published sampler writes it: ``# `` before its first character alone.

    Example:
        >>> verbatim_comment("Sort it. \n# Print it.")
        '# Sort it. \n# Print it.\n'
    """
    return f"# {prompt}\n"


def program_text(header: str, steps: Sequence[tuple[str, str]]) -> str:
    """The program of some (prompt, code) steps."""
    parts = [f"{as_comment(prompt)}{code.rstrip()}\n" for prompt, code in steps]
    return header + "\n".join(parts)
