"""Changing code: in the person's own editor, or in place where they have none."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from multiturn.core.errors import InputError, storage_errors

__all__ = ["change_in_editor", "editor_command"]


def editor_command() -> list[str] | None:
    """The editor of `VISUAL` or `EDITOR`, as a command; None where neither is set.

    Raises:
        InputError: it is set to something that is no command line.
    """
    for variable in ("VISUAL", "EDITOR"):
        if text := os.environ.get(variable, "").strip():
            try:
                return shlex.split(text)
            except ValueError as error:
                raise InputError(f"{variable} is no command ({error})", got=text) from error
    return None


def change_in_editor(command: list[str], code: str) -> str | None:
    """Open `code` in an editor; returns what was saved, None where the editor failed.

    Raises:
        InputError: the editor could not be started, or what was saved is no text.
        StorageError: no temporary file can be written.
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
            fix="set EDITOR to one that is installed, or unset it to edit in place",
        ) from error
    finally:
        path.unlink(missing_ok=True)
