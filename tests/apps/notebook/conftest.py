"""A real IPython shell with the extension, over a model with a script."""

from __future__ import annotations

import atexit
import json
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running_notebook import Notebook

if find_spec("IPython") is None:  # the extra `notebook` is not installed
    collect_ignore_glob = ["test_notebook_*.py"]

SCRIPT = [
    {
        "when": "mean of prices",
        "answers": ["mean = sum(prices) / len(prices)\nprint(mean)\n", "mean = 4\nprint(mean)\n"],
    },
    {"when": "Double", "answers": ["mean *= 2\nprint(mean)\n", "mean = mean + mean\n"]},
    {"when": "Halve", "answers": ["mean /= 2\n"]},
    {"when": "Break", "answers": ["prices.clear()\nmean = undefined\n"]},
    {"when": "Corrected:", "answers": ["mean = 7\n"]},
    {"when": "Count the rows", "answers": ["rows = len(table)\nprint(rows)\n"]},
    {"when": "table = Counter({'a': 2, 'b': 1})", "answers": ["seen = 'counts'\n"]},
    {"when": "Set x", "answers": ["x = 2\nprint(x)\n"]},
]


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The name of a model that answers by the script."""
    path = tmp_path / "script.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in SCRIPT))
    return f"scripted:{path}"


@pytest.fixture
def new_notebook(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[], Notebook]]:
    """Makes a notebook with a fresh kernel."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    opened = []

    def make() -> Notebook:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        shell = InteractiveShell(config=config)
        opened.append(shell)
        notebook = Notebook(shell, capsys)
        shell.set_next_input = lambda s, replace=False: notebook.cells.append(s)
        return notebook

    yield make
    for shell in opened:
        shell.run_line_magic("unload_ext", "multiturn")
        atexit.unregister(shell.atexit_operations)


@pytest.fixture
def notebook(new_notebook: Callable[[], Notebook], model: str) -> Notebook:
    """A notebook with the extension."""
    made = new_notebook()
    made.run("%load_ext multiturn")
    made.run(f"%multiturn --model {model}")
    return made
