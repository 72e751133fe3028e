"""What the documentation site does differently from the same pages in the repository.

Pages link to files outside ``docs/`` (examples, recipes, source). The site does not hold those, so
such a link becomes its text; that the file exists is checked here and in the tests.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace links that lead out of ``docs/`` by their text."""
    folder = Path(page.file.abs_src_path).parent

    def replaced(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(ROOT / "docs") and not target.is_dir():
            return link[0]
        if not target.exists():
            raise ValueError(f"{page.file.src_path} links to {link[2]}, which does not exist")
        return link[1]

    return LINK.sub(replaced, markdown)
