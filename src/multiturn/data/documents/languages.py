"""The language of a text, from the ending of its path and from its content.

The keys of programming languages are those of `multiturn.text.languages`; `english` is prose.
"""

from __future__ import annotations

import re

from multiturn.text.languages import LANGUAGES

__all__ = ["ENGLISH", "PAPER_LANGUAGES", "detect", "english_share", "language_key"]

PAPER_LANGUAGES = ("c", "cpp", "go", "java", "javascript", "python")
"""The languages of the paper's multi-lingual data."""
ENGLISH = "english"

_BY_ENDING = {
    "c": "c", "h": "c",
    "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "c++": "cpp", "hh": "cpp", "hpp": "cpp",
    "hxx": "cpp", "ipp": "cpp", "inl": "cpp", "tcc": "cpp",
    "go": "go",
    "java": "java",
    "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "javascript",
    "py": "python", "pyw": "python",
    "txt": ENGLISH, "md": ENGLISH, "markdown": ENGLISH, "rst": ENGLISH, "text": ENGLISH,
    "adoc": ENGLISH,
}  # fmt: skip
_BY_NAME = {
    **{entry.name.casefold(): key for key, entry in LANGUAGES.items()},
    "cplusplus": "cpp", "cxx": "cpp", "golang": "go", "js": "javascript",
    "ecmascript": "javascript", "node": "javascript", "nodejs": "javascript", "jsx": "javascript",
    "py": "python", "python2": "python", "python3": "python", "en": ENGLISH, "eng": ENGLISH,
}  # fmt: skip
"""Keys by the names that people and other programs use, in lower case."""
_BY_INTERPRETER = {b"python": "python", b"node": "javascript", b"nodejs": "javascript"}

_HEAD = 32 << 10
_MIN_WORDS = 5
_ENGLISH_SHARE = 0.2
_INTERPRETER = re.compile(rb"#![^\n]*?([a-z]+)[0-9.]*[ \t]*(?:-[^\n]*)?(?:\n|$)")
# Constructs of C++ that C does not have; comments seldom hold them at the start of a line.
_CPP = re.compile(
    rb"^[ \t]*(?:class\s+\w+|namespace\b|template\s*<|using\s+\w|(?:public|private|protected)\s*:"
    rb"|#\s*include\s*<[a-z_]+>)|\bstd::|\bconstexpr\b|\bnullptr\b|\boperator\s*\(\)",
    re.MULTILINE,
)
# Objective-C shares the ending of C's headers and is not among the languages.
_OBJECTIVE_C = re.compile(rb"^[ \t]*@(?:interface|implementation|protocol|class|import)\b", re.M)
_WORD = re.compile(rb"[A-Za-z']+")
_COMMON = frozenset(
    b"the of and to in a is that for it as was with be by on not he his but at are this have "
    b"from or had an they which one you were all her she there would their we him been has when "
    b"who will more no if out so can what up said about its into than them only other time new "
    b"some could these may then do first any like my now over such our most also your use".split()
)


def detect(path: str, content: bytes) -> str:
    """The key of a text's language; empty for other languages.

    Example:
        >>> detect("a/b.h", b"namespace a {"), detect("a/b.h", b"int f(void);"), detect("x", b"")
        ('cpp', 'c', '')
    """
    ending = path.rpartition("/")[2].lower().rpartition(".")
    found = _BY_ENDING.get(ending[2], "") if ending[1] else ""
    if found == "c" and ending[2] == "h":
        head = content[:_HEAD]
        if _OBJECTIVE_C.search(head):
            return ""
        return "cpp" if _CPP.search(head) else "c"
    if found == ENGLISH:
        return ENGLISH if english_share(content) >= _ENGLISH_SHARE else ""
    if not found and not ending[1] and content.startswith(b"#!"):
        match = _INTERPRETER.match(content[:200])
        return _BY_INTERPRETER.get(match[1], "") if match else ""
    return found


def language_key(name: str) -> str:
    """The key of a language by any of its names; an unknown name in lower case.

    Example:
        >>> language_key("C++"), language_key(" Python "), language_key("Fortran")
        ('cpp', 'python', 'fortran')
    """
    folded = name.strip().casefold()
    return _BY_NAME.get(folded, folded)


def english_share(content: bytes) -> float:
    """The share of the hundred commonest English words among the words of the first 32 KiB.

    Prose has about two of five. Code, tables and other languages seldom have one of ten.

    Example:
        >>> english_share(b"It is the first of all that we have.") > 0.8
        True
    """
    words = _WORD.findall(content[:_HEAD].lower())
    if len(words) < _MIN_WORDS:
        return 0.0
    return sum(word in _COMMON for word in words) / len(words)
