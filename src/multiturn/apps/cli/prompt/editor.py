"""Edits code in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors

__all__ = ["change_in_editor", "editor_command"]


def editor_command() -> list[str] | None:
    """The command line of `VISUAL` or `EDITOR`; None if neither is set.

    Raises:
        InputError: the variable is not a valid command line.
    """
    for variable in ("VISUAL", "EDITOR"):
        if text := os.environ.get(variable, "").strip():
            try:
                return shlex.split(text)
            except ValueError as error:
                raise InputError(
                    f"{variable} is not a valid command ({error})", got=text
                ) from error
    return None


def change_in_editor(command: list[str], code: str) -> str | None:
    """Open `code` in an editor and return the saved text; None if the editor failed.

    Raises:
        InputError: the editor could not be started, or did not save UTF-8 text.
        StorageError: a temporary file cannot be written.
    """
    with storage_errors(tempfile.gettempdir(), "writing the code for the editor"):
        descriptor, name = tempfile.mkstemp(prefix="multiturn-", suffix=".py")
        path = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(code.rstrip("\n") + "\n")
    try:
        done = subprocess.run([*command, str(path)], check=False)
        if done.returncode != 0:
            return None
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the edited code is not UTF-8 text", fix="save it as UTF-8") from error
    except OSError as error:
        raise InputError(
            f"the editor could not be started ({error.strerror})",
            got=shlex.join(command),
            fix="set EDITOR to an installed editor, or unset it to edit inline",
        ) from error
    finally:
        path.unlink(missing_ok=True)
