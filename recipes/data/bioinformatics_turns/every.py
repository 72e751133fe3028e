"""Every template: importing this module reads the files of all themes."""

from __future__ import annotations

from recipes.data.bioinformatics_turns import (
    alignment,
    general_collections,
    general_numbers,
    general_text,
    intervals,
    kmers,
    reads,
    sequences,
    tables,
    translation,
    variants,
)
from recipes.data.bioinformatics_turns.template import TEMPLATES, Template

__all__ = ["THEMES", "every_template", "is_general"]

THEMES = (
    sequences, translation, reads, alignment, kmers, intervals, variants, tables,
    general_text, general_numbers, general_collections,
)  # fmt: skip
"""The files of templates."""


def every_template() -> list[Template]:
    """All templates, by theme."""
    order = [theme.__name__.rpartition(".")[2] for theme in THEMES]
    return sorted(TEMPLATES.values(), key=lambda each: order.index(each.theme))


def is_general(template: Template) -> bool:
    """Whether it is about programs in general, so that a tuned model stays able to write them."""
    return template.theme.startswith("general_")
