"""The table of languages."""

from __future__ import annotations

import pytest

from multiturn.core.errors import UnknownNameError
from multiturn.text.languages import LANGUAGES, language, language_of_file


def test_the_promised_languages_are_there():
    assert set(LANGUAGES) == {"python", "javascript", "java", "c", "cpp", "go"}


@pytest.mark.parametrize("entry", LANGUAGES.values(), ids=LANGUAGES)
def test_every_entry_agrees_with_itself(entry):
    assert LANGUAGES[entry.key] is entry
    assert entry.file_name.endswith(entry.extensions)
    assert entry.cpu_factor >= 1
    commands = [entry.run_command, *([entry.compile_command] if entry.compile_command else [])]
    for command in commands:
        assert command[0] in (*entry.tools, "./program")
        # Substitution must not meet a brace that means something else.
        assert all(part.format(python="p", memory_mib=1) for part in command)
    if entry.compile_command:
        assert entry.file_name in entry.compile_command


def test_file_endings_are_not_shared():
    endings = [ending for entry in LANGUAGES.values() for ending in entry.extensions]
    assert len(endings) == len(set(endings))


def test_an_unknown_language_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean python"):
        language("pyhton")


def test_the_language_of_a_file():
    assert language_of_file("a/b.cc").key == "cpp"
    with pytest.raises(UnknownNameError, match=r"\.rs"):
        language_of_file("main.rs")
