"""Records that repeat a problem of a benchmark, found as in the corpora (see `Decontaminate`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multiturn.data.decontamination.ngrams import NgramIndex
from multiturn.data.decontamination.problems import read_problems
from multiturn.data.decontamination.stage import Decontaminate
from recipes.data.bioinformatics_turns.records import Drafted

__all__ = ["Contamination"]


class Contamination:
    """Searches records for the problems of some files.

    Attributes:
        settings: of the search, those of a corpus: ten words in a row.

    Raises:
        InputError: a file is wrong.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.settings = Decontaminate(problems=tuple(files))
        problems = (problem for path in files for problem in read_problems(path))
        self._index = NgramIndex(problems, self.settings.words)

    def problems_in(self, record: Drafted) -> list[str]:
        """The problems whose words the prompts or the code have: file and name of each."""
        finds = self._index.find(record.words.encode())
        return list(dict.fromkeys(f"{find.file} {find.problem}" for find in finds))

    def split(self, records: Sequence[Drafted]) -> tuple[list[Drafted], dict[str, list[str]]]:
        """The clean records, and by id of each other one the problems that it repeats.

        A record goes with its template as soon as one of its siblings repeats a problem, because
        they differ in names and values alone. Where it does not repeat one itself, its list is
        empty.
        """
        found = {each.id: problems for each in records if (problems := self.problems_in(each))}
        templates = {each.template for each in records if each.id in found}
        clean = [each for each in records if each.template not in templates]
        dropped = {
            each.id: found.get(each.id, []) for each in records if each.template in templates
        }
        return clean, dropped
