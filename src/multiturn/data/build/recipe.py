"""All that decides what is in a corpus."""

from __future__ import annotations

from dataclasses import dataclass

from multiturn.core.errors import InputError
from multiturn.data.build.source import Source
from multiturn.data.build.stage import CorpusStage
from multiturn.data.build.transform import DocumentTransform

__all__ = ["CorpusRecipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecipe:
    """All that decides what is in a corpus.

    Attributes:
        name: of the corpus; letters, digits, dots, dashes and underscores.
        sources: where documents come from, read in this order.
        steps: what happens to each document by itself, in this order.
        stages: what happens to the complete corpus afterwards, in this order.
        seed: of all that is drawn at random.

    Raises:
        InputError: the name cannot be the name of a folder, there are no sources, or two steps or
            stages have the same name.
    """

    name: str
    sources: tuple[Source, ...]
    steps: tuple[DocumentTransform, ...]
    stages: tuple[CorpusStage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name or not all(sign.isalnum() or sign in "._-" for sign in self.name):
            raise InputError(
                "the name of a recipe cannot be used as a folder",
                got=self.name,
                allowed="letters, digits, dots, dashes and underscores",
            )
        if not self.sources:
            raise InputError("the recipe has no sources", fix="name at least one source")
        _refuse_repeats("step", [step.name for step in self.steps])
        _refuse_repeats("stage", [stage.name for stage in self.stages])


def _refuse_repeats(kind: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"two {kind}s have the same name, so their drops would be mixed",
            got=", ".join(repeated),
            fix=f"give each {kind} a name of its own",
        )
