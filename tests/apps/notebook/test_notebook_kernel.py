"""Steps in a real Jupyter kernel, over its messages, and a notebook that nbclient runs."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from multiturn.synthesis.store import SessionStore

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("ipykernel") is None, reason="ipykernel is not installed"),
    # Of libraries of the kernel's client, which are not ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

EXAMPLE = Path(__file__).parents[3] / "examples" / "notebook.ipynb"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Kernel:
    """A kernel, as a frontend sees it."""

    def __init__(self, client: Any, manager: Any) -> None:
        self.client, self.manager = client, manager

    def begin(self, source: str, cell_id: str = "") -> str:
        content = {
            "code": source, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        message = self.client.session.msg(
            "execute_request", content, metadata={"cellId": cell_id} if cell_id else {}
        )
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def follow(self, request: str) -> Iterator[dict[str, Any]]:
        """What a request shows, until the kernel is idle."""
        while True:
            message = self.client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return
            yield message

    def run(self, source: str, cell_id: str = "") -> tuple[str, dict[str, Any]]:
        """Run a cell; the text that it leaves, and the reply."""
        return self.end(self.begin(source, cell_id))

    def end(self, request: str) -> tuple[str, dict[str, Any]]:
        shown = ""
        for message in self.follow(request):
            content = message["content"]
            if message["msg_type"] == "clear_output":
                shown = ""
            elif message["msg_type"] == "stream":
                shown += content["text"]
            elif message["msg_type"] == "error":
                shown += "\n".join(content["traceback"])
        while True:
            reply = self.client.get_shell_msg(timeout=300)
            if reply["parent_header"].get("msg_id") == request:
                return ANSI.sub("", shown), reply["content"]


@pytest.fixture
def kernel(home: Path) -> Iterator[Kernel]:
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | {"MULTITURN_HOME": str(home), "COLUMNS": "80"})
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    try:
        yield Kernel(client, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_reply_puts_the_step_into_the_next_cell(kernel: Kernel, model: str) -> None:
    assert kernel.run("prices = [2, 4, 6]")[1]["status"] == "ok"
    kernel.run("%load_ext multiturn")
    shown, reply = kernel.run(f"%%turn --model {model}\nCompute the mean of prices.", "a")
    text = "# Compute the mean of prices.\nmean = sum(prices) / len(prices)\nprint(mean)"
    # JupyterLab, the classic notebook and VS Code insert a cell for this.
    assert reply["payload"] == [{"source": "set_next_input", "text": text, "replace": False}]
    assert "ran, not checked" in shown and "│ 4.0" in shown
    assert kernel.run(text, "b")[0] == "4.0\n"
    shown, reply = kernel.run("%%turn --run\nDouble it.", "c")
    assert shown.endswith("8.0\n") and len(reply["payload"]) == 1
    # Run again, as "run all" does: the step is not written again, and no cell is added.
    shown, reply = kernel.run("%%turn\nDouble it.", "c")
    assert "as before" in shown and reply["payload"] == []
    with SessionStore() as store:
        found = store.latest()
    assert found is not None and len(found.path()) == 3


def test_an_error_is_one_line_and_ends_run_all(kernel: Kernel) -> None:
    kernel.run("%load_ext multiturn")
    shown, reply = kernel.run("%%turn --nn 3\nSet x.")
    assert reply["status"] == "error" and shown.startswith("error: %%turn: unrecognized")
    assert "\n" not in shown and "Traceback" not in shown
    shown, reply = kernel.run("%multiturn turns")
    assert shown == "error: there is no turn yet; fix: write one with %%turn"


def test_interrupting_the_kernel_discards_the_turn(kernel: Kernel, tmp_path: Path) -> None:
    script = tmp_path / "slow.jsonl"
    settings = {"settings": {"seconds_per_token": 0.05}}
    lines = [settings, {"answers": ["x = 1\n" + "y = 2\n" * 2000]}]
    script.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    kernel.run("%load_ext multiturn")
    request = kernel.begin(f"%%turn --model scripted:{script}\nWrite much.")
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait(300)
        kernel.manager.interrupt_kernel()

    thread = threading.Thread(target=interrupt)
    thread.start()
    shown = ""
    for message in kernel.follow(request):
        shown += message["content"].get("text", "")
        if "x = 1" in ANSI.sub("", shown):
            begun.set()
    thread.join()
    assert "stopped; this turn was discarded" in shown
    assert kernel.run("1 + 1")[1]["status"] == "ok"
    with SessionStore() as store:
        assert store.list() == ()


def test_the_example_runs_through_nbclient(home: Path, tmp_path: Path, model: str) -> None:
    """With a scripted model; the slow test below has the real one."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "%load_ext multiturn",
            f"%multiturn --model {model} --run",
            "prices = [2, 4, 6]",
            "%%turn\nCompute the mean of prices.",
            "%%turn --expect 'mean == 8'\nDouble it.",
            "print('after:', mean)",
        )
    ]
    NotebookClient(book, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
    nbformat.validate(book)
    # What one cell prints may come in several parts.
    answer, shown = ("".join(part.text for part in book.cells[n].outputs) for n in (-1, -2))
    assert answer == "after: 8.0\n"
    assert "as expected (1 of 1)" in ANSI.sub("", shown)


@pytest.mark.slow
def test_the_published_example_runs_with_the_default_model(
    home: Path, default_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("MULTITURN_MODEL", str(default_model))
    book = nbformat.read(EXAMPLE, as_version=4)
    began = time.monotonic()
    NotebookClient(book, timeout=1200, kernel_name="python3").execute(cwd=str(tmp_path))
    assert time.monotonic() > began
    texts = [output.get("text", "") for cell in book.cells for output in cell.get("outputs", [])]
    assert any("ran" in text for text in texts)
