"""Git repositories at a revision, read from git's object store without a checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import Part, SourceError
from multiturn.data.documents.record import Document
from multiturn.data.licences.projects import ProjectLicences, is_licence_evidence
from multiturn.data.sources.file_filter import ALL_FILES, FileFilter

__all__ = ["GitRepository"]

_MAX_NOTICE_BYTES = 1 << 20
_KINDS = {"120000": "a link", "160000": "a submodule"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """The files of one commit.

    Attributes:
        path: of a repository on this machine: bare, with a working tree, or a linked working tree.
            A folder inside a repository stands for the files below that folder; their paths stay
            those of the repository, and notices above the folder count.
        label: the `source` of the documents: best the address of the repository.
        revision: a commit, tag or branch; resolved to the commit when the build begins.
        wanted: the files that are read.
        licence: of a repository without a notice.
    """

    path: Path
    label: str = ""
    revision: str = "HEAD"
    wanted: FileFilter = ALL_FILES
    licence: str = ""
    name: str = "git"

    def parts(self, downloads: Path) -> Sequence[Part]:
        """One part: the commit."""
        del downloads
        if not self.revision or self.revision.startswith("-"):
            raise SourceError("not a revision", got=self.revision)
        if not self.path.is_dir():
            raise SourceError("no such folder", got=str(self.path))
        folder = self._folder()
        commit = self._git("rev-parse", "--verify", "--quiet", f"{self.revision}^{{commit}}")
        if folder and not self._git("ls-tree", "-d", "--full-tree", commit, folder.rstrip("/")):
            raise SourceError(
                f"{self._label} has no folder {folder} at {self.revision}",
                got=str(self.path),
                allowed="a repository, or a folder that is in the commit",
            )
        return [Part(f"{self._label} {commit[:12]}", {"commit": commit, "folder": folder})]

    def _folder(self) -> str:
        """`path` within its repository, with a slash at the end; empty at the top."""
        folder = self._git("rev-parse", "--show-prefix")
        top = self._git("rev-parse", "--git-dir")
        # The objects and refs in git's own store are not files of the repository.
        inside = self._git("rev-parse", "--is-inside-git-dir") == "true"
        if inside and (self.path / top).resolve() != self.path.resolve():
            raise SourceError("a folder inside git's object store", got=str(self.path))
        return folder

    def read(self, part: Part, drop_log: DropLog, downloads: Path) -> Iterator[Document]:
        """The blobs of the commit's tree, in git's order."""
        del downloads
        commit = str(part.detail["commit"])
        folder = str(part.detail.get("folder", ""))
        listing = self._git("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        entries = [_entry(line) for line in listing.split("\0") if line]
        with self._blobs() as blob:
            licences = ProjectLicences(self.licence)
            for _, hash_, size, path in entries:
                if size <= _MAX_NOTICE_BYTES and is_licence_evidence(path):
                    # The notices above a folder apply to it too.
                    licences.add(path, blob(hash_))
            for mode, hash_, size, path in entries:
                if not path.startswith(folder):
                    continue
                reason = _KINDS.get(mode) or self.wanted.refuses(path, size)
                document = Document(
                    content=b"" if reason else blob(hash_),
                    source=f"git:{self._label}",
                    path=path.encode("utf-8", "surrogateescape").decode(
                        "utf-8", "backslashreplace"
                    ),
                    revision=commit,
                )
                if reason:
                    drop_log.drop(self.name, document, reason, size=size)
                    continue
                document.licence = licences.of(path)
                yield document

    @property
    def _label(self) -> str:
        return self.label or self.path.resolve().name

    def _git(self, *arguments: str) -> str:
        done = _run_git(self.path, *arguments)
        if done.returncode != 0:
            errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
            if any("dubious ownership" in line for line in errors):
                raise SourceError(
                    "git refuses a repository that another user owns",
                    got=str(self.path),
                    fix=f"git config --global --add safe.directory {self.path.resolve()}, if you "
                    "trust it",
                )
            raise SourceError(
                f"git cannot read {self._label} at {self.revision}: "
                + (errors[-1] if errors else "no such revision"),
                got=str(self.path),
                fix="name a repository, and a commit, tag or branch that it has",
            )
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    @contextmanager
    def _blobs(self) -> Iterator[_ReadBlob]:
        """Reads contents by their hash, with one git process."""
        with subprocess.Popen(
            _command(self.path, "cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise SourceError("git could not be started")
            try:
                yield _ReadBlob(process.stdin, process.stdout, self._label)
            finally:
                process.stdin.close()
                process.terminate()


class _ReadBlob:
    """Reads one object after the other from `git cat-file --batch`."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes], label: str) -> None:
        self._requests = requests
        self._answers = answers
        self._label = label

    def __call__(self, hash_: str) -> bytes:
        try:
            self._requests.write(f"{hash_}\n".encode())
            self._requests.flush()
        except OSError as error:
            raise SourceError(f"git stopped while reading {self._label}") from error
        header = self._answers.readline().split()
        if len(header) != 3:
            raise SourceError(
                f"{self._label} lacks the object {hash_}", fix="fetch all objects of the repository"
            )
        size = int(header[2])
        content = self._answers.read(size + 1)
        if len(content) != size + 1:
            raise SourceError(f"git stopped while reading {self._label}")
        return content[:-1]


def _entry(line: str) -> tuple[str, str, int, str]:
    """Mode, hash, size and path of a line of ``git ls-tree -l``."""
    fields, _, path = line.partition("\t")
    mode, _, hash_, size = fields.split()
    return mode, hash_, int(size) if size.isdigit() else 0, path


def _command(repository: Path, *arguments: str) -> list[str]:
    # Settings of a repository can name programs to run, none of which is needed to read it.
    safe = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    return ["git", *safe, "-C", str(repository), *arguments]


def _environment() -> dict[str, str]:
    # GIT_DIR, GIT_INDEX_FILE, GIT_CONFIG_COUNT ... of a surrounding hook or shell would select
    # another repository.
    others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return others | {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _run_git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            _command(repository, *arguments), capture_output=True, env=_environment(), check=False
        )
    except FileNotFoundError as error:
        raise SourceError("git is not installed", fix="install git") from error
