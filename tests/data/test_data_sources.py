"""Sources over real git repositories, package indexes, installed packages and tables."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from multiturn.core.errors import MissingDependencyError, UnknownNameError
from multiturn.data.build.drop_log import DropLog
from multiturn.data.build.source import SourceError
from multiturn.data.sources.debian import DebianSources, _for_sources
from multiturn.data.sources.directory import Directory
from multiturn.data.sources.file_filter import ALL_FILES
from multiturn.data.sources.git import GitRepository
from multiturn.data.sources.installed import InstalledPython
from multiturn.data.sources.json_lines import JsonLines, Pile
from multiturn.data.sources.npm import NpmPackages
from multiturn.data.sources.parquet import Parquet
from multiturn.data.sources.pypi import PyPIProjects

pytestmark = pytest.mark.real

MIT = b"Licensed under the MIT license.\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
    done = subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "LICENSE").write_bytes(MIT)
    (root / "src").mkdir()
    (root / "src" / "a.py").write_text("first = 1\n")
    (root / "src" / "link.py").symlink_to("/etc/passwd")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    git(root, "tag", "v1")
    (root / "src" / "a.py").write_text("second = 2\n")
    git(root, "commit", "-q", "-am", "two")
    (root / "src" / "a.py").write_text("not committed\n")
    return root


def test_a_repository_is_read_at_its_revision_without_a_checkout(
    repository: Path, read_all: Any
) -> None:
    commit = git(repository, "rev-parse", "v1")
    documents, drop_log = read_all(GitRepository(path=repository, label="here", revision="v1"))
    found = {d.path: (d.text, d.licence, d.revision, d.source) for d in documents}
    assert found["src/a.py"] == ("first = 1\n", "MIT", commit, "git:here")
    assert drop_log.counts.drops == {("git", "a link"): 1}
    (newest,) = [d for d in read_all(GitRepository(path=repository))[0] if d.path == "src/a.py"]
    assert newest.text == "second = 2\n"
    assert (repository / "src" / "a.py").read_text() == "not committed\n"


def test_a_plan_keeps_the_commit_when_the_branch_moves(repository: Path, tmp_path: Path) -> None:
    source = GitRepository(path=repository, revision="main")
    (part,) = source.parts(tmp_path)
    git(repository, "commit", "-q", "-am", "three")
    texts = {d.path: d.text for d in source.read(part, DropLog(), tmp_path)}
    assert texts["src/a.py"] == "second = 2\n"


@pytest.mark.parametrize("revision", ["none", "--upload-pack=x", "", "HEAD:src"])
def test_no_revision_is_one_line(repository: Path, read_all: Any, revision: str) -> None:
    with pytest.raises(SourceError):
        read_all(GitRepository(path=repository, revision=revision))


def test_no_repository_is_one_line(tmp_path: Path, read_all: Any) -> None:
    with pytest.raises(SourceError, match="git cannot read"):
        read_all(GitRepository(path=tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_DIR", "{other}/.git"),
        ("GIT_WORK_TREE", "{other}"),
        ("GIT_INDEX_FILE", "/nowhere/index"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere/objects"),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/nowhere"),
        ("GIT_CONFIG", "/nowhere"),
        ("GIT_CONFIG_GLOBAL", "/nowhere"),
        ("GIT_CONFIG_COUNT", "x"),
        ("GIT_CONFIG_PARAMETERS", "'broken"),
        ("GIT_NAMESPACE", "other"),
        ("GIT_PREFIX", "src/"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("GIT_TRACE", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_EXEC_PATH", "/nowhere"),
    ],
)
def test_what_git_is_told_by_the_environment_is_not_heard(
    repository: Path,
    tmp_path: Path,
    read_all: Any,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    expected, _ = read_all(GitRepository(path=repository))
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "theirs.py").write_text("theirs = 1\n")
    git(other, "add", "-A")
    git(other, "commit", "-q", "-m", "other")
    monkeypatch.setenv(name, value.format(other=other))
    documents, _ = read_all(GitRepository(path=repository))
    assert documents == expected


def test_a_folder_inside_a_repository_is_that_folder(repository: Path, read_all: Any) -> None:
    documents, drop_log = read_all(GitRepository(path=repository / "src", label="here"))
    assert [(d.path, d.text, d.licence) for d in documents] == [("src/a.py", "second = 2\n", "MIT")]
    assert drop_log.counts.drops == {("git", "a link"): 1}
    (repository / "src" / "new").mkdir()
    for folder in ("new", "../.git/objects"):
        with pytest.raises(SourceError):
            read_all(GitRepository(path=repository / "src" / folder))
    # A folder of a like name is another folder.
    (repository / "src2").mkdir()
    (repository / "src2" / "b.py").write_text("b = 1\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "more")
    documents, _ = read_all(GitRepository(path=repository / "src"))
    assert {d.path for d in documents} == {"src/a.py"}


def test_bare_repositories_further_trees_and_submodules(
    repository: Path, tmp_path: Path, read_all: Any
) -> None:
    expected = {(d.path, d.text) for d in read_all(GitRepository(path=repository))[0]}
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"), "HEAD")
    for place in (tmp_path / "bare.git", tmp_path / "tree", repository / ".git"):
        documents, _ = read_all(GitRepository(path=place))
        assert {(d.path, d.text) for d in documents} == expected, place
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "sub")
    git(outer, "commit", "-q", "-m", "with a part of another")
    documents, drop_log = read_all(GitRepository(path=outer))
    assert [d.path for d in documents] == [".gitmodules"]
    assert drop_log.counts.drops == {("git", "a submodule"): 1}
    documents, _ = read_all(GitRepository(path=outer / "sub"))
    assert {(d.path, d.text) for d in documents} == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_repository_is_named_with_the_setting(
    repository: Path, read_all: Any
) -> None:
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(SourceError, match=r"safe\.directory") as caught:
        read_all(GitRepository(path=repository))
    assert "\n" not in str(caught.value)


def test_installed_packages_come_with_versions_and_licences(read_all: Any, tmp_path: Path) -> None:
    source = InstalledPython(standard_library=False)
    drop_log = DropLog()
    parts = {part.name.split()[0]: part for part in source.parts(tmp_path)}
    documents = list(source.read(parts["rich"], drop_log, tmp_path))
    assert {(d.source, d.licence) for d in documents} == {("pypi:rich", "MIT")}
    assert any(d.path == "rich/console.py" for d in documents)
    assert all(d.revision == parts["rich"].detail["version"] for d in documents)
    with pytest.raises(SourceError, match="no Python package"):
        read_all(InstalledPython(standard_library=False, paths=(tmp_path,)))


def test_a_record_that_names_files_outside_is_not_followed(tmp_path: Path, read_all: Any) -> None:
    site = tmp_path / "site"
    about = site / "evil-1.0.dist-info"
    about.mkdir(parents=True)
    (tmp_path / "outside.py").write_text("secret = 1\n")
    (site / "good.py").write_text("good = 1\n")
    about.joinpath("METADATA").write_text("Name: evil\nVersion: 1.0\nLicense: MIT\n")
    about.joinpath("RECORD").write_text(
        f"good.py,,\n../outside.py,,\n{tmp_path}/outside.py,,\ngone.py,,\nevil-1.0.dist-info/METADATA,,\n"
    )
    documents, drop_log = read_all(InstalledPython(standard_library=False, paths=(site,)))
    assert [(d.path, d.licence) for d in documents] == [("good.py", "MIT")]
    assert drop_log.counts.drops["installed", "a path that leads out of the package"] == 2


def sdist(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for member, content in (
            ("PKG-INFO", b"Name: x\nLicense: MIT\n"),
            (f"{name}.py", f"version = '{version}'\n".encode()),
            ("setup.py", b"raise SystemExit('never run')\n"),
        ):
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_projects_come_from_where_pip_looks(
    tmp_path: Path, read_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0", "3.0b1"):
        sdist(tmp_path, "thing", version)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    documents, _ = read_all(PyPIProjects(projects=("thing==1.0", "thing")))
    texts = {(d.source, d.revision, d.licence, d.text) for d in documents if "thing.py" in d.path}
    assert texts == {
        ("pypi:thing", "1.0", "MIT", "version = '1.0'\n"),
        ("pypi:thing", "2.0", "MIT", "version = '2.0'\n"),  # a beta is not the newest
    }
    with pytest.raises(SourceError, match="no source distribution of absent"):
        read_all(PyPIProjects(projects=("absent",)))
    with pytest.raises(SourceError, match="not a project"):
        read_all(PyPIProjects(projects=("../thing",)))


def test_npm_that_is_missing_or_fails_is_one_line(
    tmp_path: Path, read_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="npm is not installed"):
        read_all(NpmPackages(packages=("left-pad@1.3.0",)))
    fake = tmp_path / "npm"
    fake.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(SourceError, match="code E404"):
        read_all(NpmPackages(packages=("left-pad",)))
    with pytest.raises(SourceError, match="not a package"):
        read_all(NpmPackages(packages=("--registry=x",)))


def test_apt_that_is_missing_is_one_line(
    tmp_path: Path, read_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="apt is not installed"):
        read_all(DebianSources(packages=("zlib",)))
    with pytest.raises(SourceError, match="not a package"):
        read_all(DebianSources(packages=("-o=x",)))


def test_lists_for_binaries_become_lists_for_sources() -> None:
    old = "# c\ndeb [signed-by=/k] http://a/debian b main\ndeb-src http://a/debian b main\n"
    assert _for_sources(old, ".list") == "deb-src [signed-by=/k] http://a/debian b main\n"
    new = (
        "Types: deb\nURIs: http://a\nSuites: b\n\nTypes: deb deb-src\nEnabled: no\nURIs: http://c\n"
    )
    assert _for_sources(new, ".sources") == "Types: deb-src\nURIs: http://a\nSuites: b"


def test_the_pile_by_subset(tmp_path: Path, read_all: Any) -> None:
    rows = [
        {"text": f"text {n}", "meta": {"pile_set_name": name}}
        for n, name in enumerate(["Github", "PubMed Central", "Github"])
    ]
    path = tmp_path / "00.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    documents, drop_log = read_all(Pile(paths=(str(path),), subsets=("Github",)))
    assert [(d.id, d.text) for d in documents] == [
        ("pile:Github:00.jsonl.gz:1", "text 0"),
        ("pile:Github:00.jsonl.gz:3", "text 2"),
    ]
    assert drop_log.counts.drops == {("pile", "another subset"): 1}


def test_tables_give_fields_by_their_columns(tmp_path: Path, read_all: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    columns = {
        "code": ["a = 1", None, b"b".decode()],
        "repo": ["r/1", "r/2", None],
        "lic": ["mit", "mit", "other"],
        "stars": [1, 2, 3],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    fields = {"source": "repo", "licence": "lic", "metadata.stars": "stars"}
    table = Parquet(
        paths=(str(tmp_path),), content="code", fields=fields, licences={"mit": "MIT"}, label="hub"
    )
    documents, drop_log = read_all(table)
    assert [(d.source, d.path, d.licence, d.metadata["stars"], d.text) for d in documents] == [
        ("hub:r/1", "x.parquet:0:0", "MIT", "1", "a = 1"),
        ("hub", "x.parquet:1:0", "other", "3", "b"),
    ]
    assert drop_log.counts.drops == {("parquet", "a row without text"): 1}
    with pytest.raises(SourceError, match="no such column"):
        read_all(Parquet(paths=(str(path),), content="cod"))
    with pytest.raises(UnknownNameError, match="did you mean licence"):
        Parquet(paths=(str(path),), fields={"license": "lic"})
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": {"text": "x"}, "repo": "r"}\n')
    lines = JsonLines(paths=(str(rows),), content="a.text", fields={"source": "repo"}, label="l")
    assert [(d.source, d.text) for d in read_all(lines)[0]] == [("l:r", "x")]


def test_storage_without_its_driver_is_named(read_all: Any) -> None:
    with pytest.raises(MissingDependencyError, match="pip install"):
        read_all(Parquet(paths=("gs://bucket/x.parquet",)))
    with pytest.raises(SourceError):
        read_all(Parquet(paths=("nosuch://bucket/x.parquet",)))


def test_a_folder_with_the_name_of_a_notice_is_no_notice(read_all: Any, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").mkdir()
    (tmp_path / "LICENSE" / "a.py").write_text("one = 1\n")
    (tmp_path / "COPYING").write_bytes(MIT)
    (tmp_path / "b.py").write_text("two = 2\n")
    documents, _ = read_all(Directory(path=tmp_path))
    licences = {document.path: document.licence for document in documents}
    assert licences["b.py"] == "MIT"


def test_folders_are_read_in_runs_and_their_licence_is_found_above(
    tmp_path: Path, read_all: Any
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "LICENSE").write_bytes(MIT)
    (tmp_path / "a" / "b" / "x.py").write_text("x = 1\n")
    documents, _ = read_all(Directory(path=tmp_path, label="mine", wanted=ALL_FILES))
    assert [(d.id, d.licence) for d in documents] == [
        ("directory:mine:LICENSE", "MIT"),
        ("directory:mine:a/b/x.py", "MIT"),
    ]


def test_no_source_or_filter_brings_jax() -> None:
    code = (
        "import sys, multiturn.data.presets, multiturn.data.build.pipeline\n"
        "import multiturn.data.sources.pypi, multiturn.data.sources.parquet\n"
        "assert not {'jax', 'torch', 'numpy.f2py'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
