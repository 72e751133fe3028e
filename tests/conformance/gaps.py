"""Lists the known gaps of the isolation levels, from the headers of the suite's programs.

python tests/conformance/gaps.py > docs/sandbox-gaps.md
"""

from __future__ import annotations

from collections import Counter

import expectations

from multiturn.sandbox.isolation import IsolationLevel

__all__ = ["page"]

LEVELS = (
    IsolationLevel.NAMESPACES,
    IsolationLevel.SHARED_NAMESPACES,
    IsolationLevel.LANDLOCK,
    IsolationLevel.LIMITS_ONLY,
)


def page() -> str:
    """The page, as Markdown."""
    programs = expectations.load_all()
    kinds = Counter(program.kind for program in programs)
    lines = [
        "# Known gaps of the sandbox, by isolation level",
        "",
        "`python tests/conformance/gaps.py > docs/sandbox-gaps.md` makes this page from headers of",
        "the programs in `tests/conformance/programs`; a test keeps it up to date. The suite",
        f"has {len(programs)} programs: {kinds['hostile']} hostile ones, {kinds['forgery']} that",
        f"try to forge an oracle's verdict, {kinds['innocent']} innocent ones that must run, and",
        f"{kinds['witness']} that look for what others left. Each level must contain all of them",
        "except these.",
        "",
    ]
    for level in LEVELS:
        gaps = [(program, program.gaps[level]) for program in programs if level in program.gaps]
        lines += [f"## {level.value}", ""]
        if level is IsolationLevel.LIMITS_ONLY:
            lines += [
                "Isolates nothing, and is used only if a person asks for it. The suite does not",
                "run these programs at this level, as nothing would stop them.",
                "",
            ]
        if not gaps:
            lines += ["None.", ""]
            continue
        lines += ["| program | tries | why it is not contained |", "|---|---|---|"]
        lines += [f"| `{program.name}` | {program.tries} | {why} |" for program, why in gaps]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    print(page(), end="")
