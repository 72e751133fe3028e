"""The text around a demonstration: what will happen, and what to try next."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from rich.text import Text

from multiturn.apps.cli.screen import show_code, show_output
from multiturn.apps.cli.settings import Settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.app_dirs import app_dirs
from multiturn.hub.downloads import locate
from multiturn.hub.registry import REGISTRY
from multiturn.synthesis.specification import Specification
from multiturn.synthesis.specification_runner import SpecificationResult

__all__ = ["DEMO_SETTINGS", "introduce", "say_what_next"]

DEMO_SETTINGS: dict[str, object] = {
    "n": 4,
    "temperature": 0.4,
    "other_temperature": 0.4,
    "retries": 1,
}
"""Defaults of the demonstration; docs/decisions/0008 has the measurements."""


def introduce(console: Console, specification: Specification, settings: Settings) -> None:
    """Explain what is about to happen and how long it takes."""
    turns = len(specification.turns)
    console.print(Text(f"A program in {turns} turns", style="bold"))
    entry = REGISTRY.get(settings.model)
    if entry is not None and locate(settings.model) is None and entry.bytes:
        console.print(
            f"First the model is downloaded, once ({entry.bytes / 1e6:.0f} MB, a few minutes)."
        )
    console.print(
        f"{neutralize(settings.model)} then writes {turns} steps on this machine, with "
        f"{settings.n} candidates for each.\nAfter each step the program so far runs in a "
        "sandbox, and the best candidate is used.\nThis takes about a minute on two CPU cores. "
        "Nothing is prerecorded: another --seed gives other code.\n"
    )


def say_what_next(console: Console, result: SpecificationResult, file: Path) -> None:
    """Show the complete program, its output, and what to try next."""
    console.print(Text("\nThe finished program", style="bold"))
    show_code(console, result.program, result.session.language.key)
    console.print(Text("Its output", style="bold"))
    show_output(console, result.run.stdout)
    console.print(Text("\nWhat to try next", style="bold"))
    command = "multiturn" if _on_path() else ".venv/bin/multiturn"
    entry = result.session.language
    chosen = "" if entry.inspects else f" --language {entry.key}"
    for line, why in (
        (command, "write your own, turn by turn"),
        (f"{command} --session {result.session.id}", "continue this program"),
        (f"{command} synth {file}{chosen} --demo --seed 7", "the same turns, other code"),
        (f"{command} doctor", "what works on this machine"),
        (f"{command} --help", "all commands"),
    ):
        console.print(Text(f"  {line}", style="cyan").append(f"\n      {why}", style="default"))
    console.print(f"\nSessions are saved in {neutralize(str(app_dirs().sessions))}.")


def _on_path() -> bool:
    return shutil.which("multiturn") is not None
