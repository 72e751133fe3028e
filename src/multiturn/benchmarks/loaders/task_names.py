"""The name of a task: the benchmark, and the language of its programs."""

from __future__ import annotations

from multiturn.core.errors import InputError
from multiturn.text.languages import LANGUAGES, language

__all__ = ["PER_LANGUAGE", "language_of_option", "read_task_name", "task_name"]

PER_LANGUAGE = {"own": "python", "multipl-e": None}
"""The benchmarks with a choice of language, and the language of each by default."""


def task_name(benchmark: str, language_key: str) -> str:
    """The name of a benchmark in a language, as in records and directories.

    Example:
        >>> task_name("own", "python"), task_name("own", "cpp")
        ('own', 'own-cpp')
    """
    same = benchmark not in PER_LANGUAGE or PER_LANGUAGE[benchmark] == language_key
    return benchmark if same else f"{benchmark}-{language_key}"


def read_task_name(name: str) -> tuple[str, str | None]:
    """The benchmark and the language in the name of a task; the inverse of `task_name`.

    Example:
        >>> read_task_name("own"), read_task_name("multipl-e-go"), read_task_name("mtpb")
        (('own', 'python'), ('multipl-e', 'go'), ('mtpb', None))
    """
    for benchmark, default in PER_LANGUAGE.items():
        if name == benchmark:
            return name, default
        rest = name.removeprefix(f"{benchmark}-")
        if rest in LANGUAGES:
            return benchmark, rest
    return name, None


def language_of_option(benchmark: str, text: str | None) -> str | None:
    """The key of the language that a person named for a benchmark; None for one without a choice.

    Args:
        benchmark: its name.
        text: a language by any of its names, such as ``js``; None for the default.

    Raises:
        InputError: the benchmark has no choice of language, or none was named and it has no
            default.
        UnknownNameError: there is no such language.
    """
    if benchmark not in PER_LANGUAGE:
        if text is not None:
            raise InputError(
                f"the benchmark {benchmark} is in Python alone",
                got=f"language {text}",
                allowed=f"a language of {' or '.join(PER_LANGUAGE)}",
            )
        return None
    if text is None:
        if PER_LANGUAGE[benchmark] is None:
            raise InputError(
                f"the benchmark {benchmark} needs a language",
                allowed=", ".join(LANGUAGES),
                fix="name it with --language",
            )
        return PER_LANGUAGE[benchmark]
    return language(text).key
