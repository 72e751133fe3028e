"""npm and Debian packages, fetched by the real npm and apt from registries of this machine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import SourceError
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.file_filter import CODE_ENDINGS, FileFilter
from multiturn.data.sources.npm import NpmPackages

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on this machine")
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this machine")


def tar(mode: str, **files: str) -> bytes:
    """An archive of these files; two underscores in a name stand for a slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{mode}") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_DOT_", "."))
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


class Registry:
    """Speaks as much of npm's registry as `npm view` and `npm pack` ask for."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, bytes]] = {}
        self.wrong: set[str] = set()
        self.asked: list[str] = []

    def answer(self, path: str) -> bytes | None:
        self.asked.append(path)
        name, _, file = path.lstrip("/").partition("/-/")
        versions = self.packages.get(name)
        if versions is None:
            return None
        if file:
            return versions.get(file.removesuffix(".tgz"))
        return json.dumps(self._described(name, versions)).encode()

    def _described(self, name: str, versions: dict[str, bytes]) -> dict[str, Any]:
        described = {
            version: {
                "name": name,
                "version": version,
                "dist": {
                    "tarball": f"{self.address}/{name}/-/{version}.tgz",
                    "integrity": self._integrity(packed, wrong=f"{name}@{version}" in self.wrong),
                },
            }
            for version, packed in versions.items()
        }
        return {"name": name, "dist-tags": {"latest": list(versions)[-1]}, "versions": described}

    @staticmethod
    def _integrity(packed: bytes, *, wrong: bool) -> str:
        digest = hashlib.sha512(packed + b"x" * wrong).digest()
        return f"sha512-{base64.b64encode(digest).decode()}"

    address = ""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = registry.answer(unquote(self.path))
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"{}")))
            self.end_headers()
            self.wfile.write(answer or b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.address = f"http://127.0.0.1:{server.server_port}"
        settings = tmp_path / "npmrc"
        settings.write_text(
            f"registry={registry.address}\ncache={tmp_path / 'cache'}\nfetch-retries=0\n"
            "update-notifier=false\nproxy=null\nhttps-proxy=null\nnoproxy=127.0.0.1\n"
        )
        monkeypatch.setenv("npm_config_userconfig", str(settings))
        monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "no-npmrc"))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield registry
        server.shutdown()
        thread.join()


@needs_npm
def test_npm_packages_come_from_the_registry_that_npm_is_set_up_for(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0.0", "1.1.0"):
        registry.packages.setdefault("plain", {})[version] = tar(
            "gz",
            package__package_DOT_json=json.dumps(
                {
                    "name": "plain",
                    "version": version,
                    "license": "ISC",
                    "scripts": {"prepare": "touch ran", "install": "touch ran"},
                }
            ),
            package__index_DOT_js=f"exports.version = '{version}'\n",
            package__readme_DOT_md="# plain\n",
        )
    registry.packages["@scope/other"] = {
        "2.0.0": tar(
            "gz",
            package__package_DOT_json='{"name": "@scope/other", "version": "2.0.0"}',
            package__LICENSE="Licensed under the MIT license.\n",
            package__lib__a_DOT_mjs="export default 1\n",
        )
    }
    source = NpmPackages(packages=("plain", "@scope/other@2.0.0"))
    parts = source.parts(tmp_path)
    assert [part.name for part in parts] == ["plain 1.1.0", "@scope/other 2.0.0"]
    drop_log = DropLog()
    found = {
        (d.id, d.licence, d.text) for part in parts for d in source.read(part, drop_log, tmp_path)
    }
    assert found == {
        ("npm:plain@1.1.0:package/index.js", "ISC", "exports.version = '1.1.0'\n"),
        ("npm:@scope/other@2.0.0:package/lib/a.mjs", "MIT", "export default 1\n"),
    }
    assert drop_log.counts.drops == {("npm", "another file ending"): 4}
    assert not list(tmp_path.rglob("ran"))
    # What was fetched is kept: the second time nobody is asked, and npm is not even there.
    asked = len(registry.asked)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [d.licence for d in source.read(parts[1], drop_log, tmp_path)] == ["MIT"]
    assert len(registry.asked) == asked


@needs_npm
def test_an_npm_archive_of_other_bytes_than_promised_stops_the_run(
    registry: Registry, tmp_path: Path, read_all: Any
) -> None:
    registry.packages["plain"] = {
        "1.0.0": tar("gz", package__package_DOT_json='{"name": "plain", "version": "1.0.0"}')
    }
    registry.wrong.add("plain@1.0.0")
    with pytest.raises(SourceError, match="EINTEGRITY"):
        read_all(NpmPackages(packages=("plain@1.0.0",)))
    assert not list((tmp_path / "downloads").rglob("*.tgz"))


def write_packages(folder: Path, packages: list[tuple[str, str, dict[str, bytes]]]) -> None:
    """A flat repository of source packages: their files and the index `Sources`."""
    folder.mkdir()
    paragraphs = []
    for name, version, files in packages:
        for file, content in files.items():
            (folder / file).write_bytes(content)
        kinds = {"Files": "md5", "Checksums-Sha256": "sha256"}
        sums = "".join(
            f"{field}:\n"
            + "".join(
                f" {hashlib.new(kind, content).hexdigest()} {len(content)} {file}\n"
                for file, content in files.items()
            )
            for field, kind in kinds.items()
        )
        paragraphs.append(
            f"Package: {name}\nBinary: {name}\nVersion: {version}\nFormat: 3.0 (quilt)\n"
            f"Maintainer: Nobody <nobody@example.com>\nArchitecture: all\nDirectory: .\n{sums}"
        )
    (folder / "Sources").write_text("\n".join(paragraphs))


COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: Expat

Files: gpl.c extra/*
License: GPL-2+
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    code = "int one(void) { return 1; }\n"
    added = "".join(f"+{line}\n" for line in COPYRIGHT.splitlines())
    write_packages(
        folder,
        [
            (
                "thing",
                "1.0-2",
                {
                    "thing_1.0-2.dsc": b"Source: thing\n",
                    "thing_1.0.orig.tar.gz": tar(
                        "gz",
                        thing__COPYING="GNU General Public License version 3 of the License\n",
                        thing__a_DOT_c=code,
                        thing__gpl_DOT_c=code,
                        thing__notes_DOT_txt="notes\n",
                    ),
                    "thing_1.0.orig-extra.tar.xz": tar("xz", extra__b_DOT_c=code),
                    "thing_1.0-2.debian.tar.xz": tar("xz", debian__copyright=COPYRIGHT),
                },
            ),
            (
                "older",
                "2.0-1",
                {
                    "older_2.0-1.dsc": b"Source: older\n",
                    "older_2.0.orig.tar.gz": tar("gz", older__a_DOT_c=code, older__gpl_DOT_c=code),
                    "older_2.0-1.diff.gz": gzip.compress(
                        f"--- o/debian/copyright\n+++ o/debian/copyright\n@@\n{added}".encode()
                    ),
                },
            ),
            ("older", "3.0-1", {"older_3.0-1.dsc": b"", "older_3.0.orig.tar.gz": tar("gz")}),
            (
                "native",
                "3",
                {
                    "native_3.dsc": b"Source: native\n",
                    "native_3.tar.xz": tar(
                        "xz", native__debian__copyright=COPYRIGHT, native__a_DOT_c=code
                    ),
                },
            ),
        ],
    )
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] copy:{folder} ./\n")
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::Etc::sourcelist "{tmp_path / "sources.list"}";\n'
        f'Dir::Etc::sourceparts "{tmp_path / "no-parts"}";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(settings))
    return folder


@needs_apt
def test_debian_packages_come_with_the_licence_that_is_stated_for_each_file(
    repository: Path, tmp_path: Path
) -> None:
    source = DebianSources(
        packages=("thing", "older=2.0-1", "native"), wanted=FileFilter(endings=CODE_ENDINGS)
    )
    parts = source.parts(tmp_path)
    assert [part.name for part in parts] == ["thing 1.0-2", "older 2.0-1", "native 3"]
    drop_log = DropLog()
    documents = [d for part in parts for d in source.read(part, drop_log, tmp_path)]
    assert {(d.id, d.licence) for d in documents} == {
        ("debian:thing@1.0-2:thing/a.c", "MIT"),
        ("debian:thing@1.0-2:thing/gpl.c", "GPL-2.0-or-later"),
        ("debian:thing@1.0-2:extra/b.c", "GPL-2.0-or-later"),
        ("debian:older@2.0-1:older/a.c", "MIT"),
        ("debian:older@2.0-1:older/gpl.c", "GPL-2.0-or-later"),
        ("debian:native@3:native/a.c", "MIT"),
    }
    assert drop_log.counts.drops == {("debian", "another file ending"): 3}
    # Everything is at hand now: the repository may go.
    shutil.rmtree(repository)
    assert len(list(source.read(parts[0], drop_log, tmp_path))) == 3


@needs_apt
def test_where_the_files_of_the_newest_version_are_missing_an_older_one_is_read(
    repository: Path, tmp_path: Path
) -> None:
    """As on mirrors, whose lists come sooner than the files."""
    (repository / "older_3.0.orig.tar.gz").unlink()
    source = DebianSources(packages=("older",), wanted=FileFilter(endings=CODE_ENDINGS))
    (part,) = source.parts(tmp_path)
    assert part.name == "older 3.0-1"
    documents = list(source.read(part, DropLog(), tmp_path))
    assert {document.revision for document in documents} == {"2.0-1"}
    assert len(documents) == 2
    # The same from what is at hand; and what was asked for by its version is not replaced.
    assert list(source.read(part, DropLog(), tmp_path)) == documents
    exact = DebianSources(packages=("older=3.0-1",))
    with pytest.raises(SourceError, match="apt failed"):
        list(exact.read(exact.parts(tmp_path)[0], DropLog(), tmp_path))


@needs_apt
def test_debian_files_of_other_bytes_than_promised_stop_the_run(
    repository: Path, tmp_path: Path, read_all: Any
) -> None:
    archive = repository / "older_2.0.orig.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    with pytest.raises(SourceError, match="apt failed"):
        read_all(DebianSources(packages=("older=2.0-1",)))
    with pytest.raises(SourceError, match=r"apt failed.*absent"):
        read_all(DebianSources(packages=("absent",)))
