"""The lines of an opt-out list: repositories and hashes in all common forms."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

__all__ = ["ALLOWED", "Repository", "read_hash", "read_repository"]

ALLOWED = (
    "OWNER/REPOSITORY, an address such as https://github.com/OWNER/REPOSITORY, KIND:NAME such as "
    "pypi:NAME, or a SHA-256, alone or as sha256sum prints it"
)

_HEX = re.compile(r"[0-9A-Fa-f]+")
_SHA256 = r"(?P<hash>[0-9A-Fa-f]{64})"
_HASH_FORMS = tuple(
    re.compile(form)
    for form in (
        # sha256sum and shasum: two blanks, or a blank and a star for binary; a backslash at the
        # beginning where the file name has one. PowerShell and others use any white space.
        rf"\\?[\"']?{_SHA256}[\"']?(?:(?:\s+\*?|\s*[,;]\s*)\S.*)?",
        # BSD, `sha256sum --tag`, openssl: the algorithm, the file, the hash.
        rf"\\?(?i:SHA2?-?256)\s*\(.*\)\s*=\s*{_SHA256}",
        # Labelled: ``sha256:HASH`` as containers write it, ``SHA256  HASH  FILE`` as PowerShell.
        rf"(?i:SHA2?-?256)\s*[:=\s]\s*{_SHA256}(?:\s+\*?\S.*)?",
        # ``FILE: HASH``, as `gpg --print-md` and handmade lists.
        rf"\S.*:\s+{_SHA256}",
    )
)
_INTEGRITY = re.compile(r"sha256-([A-Za-z0-9+/]{43}=)")
_MIN_HEX_OF_A_HASH = 32

_ADDRESS = re.compile(
    r"(?:git\+)?(?P<scheme>https?|git|ssh|svn\+ssh|ftps?)://(?:[^/@\s]*@)?"
    r"(?P<host>[A-Za-z0-9.-]+)(?::\d+)?(?P<path>/[^?#\s]*)?(?:[?#]\S*)?"
)
_SCP = re.compile(
    r"(?:(?P<user>[\w.-]+)@)?(?P<host>[A-Za-z0-9-]+(?(user)|\.)[A-Za-z0-9.-]*):(?P<path>[^\s:]+)"
)
_KIND = re.compile(r"(?P<kind>[A-Za-z][A-Za-z0-9_-]*):(?P<rest>\S.*)")
_NO_KINDS = re.compile(
    r"(?i)(?:https?|git\+\w+|ssh|ftps?|file|mailto|md5|sha\d+|sha\d?-\d+|blake\w*|[a-z])"
)
"""Words before a colon that mark malformed addresses, other hashes, or drives."""
_PART = re.compile(r"(?:@?[\w.+~-]+)")
_HOST = re.compile(r"(?=.*[a-z])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")

_TWO_PARTS = ("github.com", "bitbucket.org", "codeberg.org", "gitea.com", "huggingface.co")
"""Hosts whose repositories are always OWNER/NAME, whatever follows in an address."""
_FORGES = (*_TWO_PARTS, "gitlab.com", "sr.ht", "git.sr.ht", "sourceforge.net")
_BEHIND = re.compile(r"/(?:-|tree|blob|raw|src|commit|commits|issues|pull|merge_requests)(?:/.*)?$")
_PACKAGES = (
    (re.compile(r"pypi\.(?:org|python\.org)/(?:project|simple|pypi)/([^/]+)"), "pypi"),
    (re.compile(r"npmjs\.com/package/((?:@[^/]+/)?[^/]+)"), "npm"),
    (re.compile(r"tracker\.debian\.org/pkg/([^/]+)"), "debian"),
    (re.compile(r"(?:packages|sources)\.debian\.org/(?:source/\w+|src)/([^/]+)"), "debian"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, as far as it was named, in lower case.

    Attributes:
        path: ``owner/name``, or the name of a package.
        host: of its address; empty where it was not named.
        kind: of the source that reads it, such as ``pypi``; empty where it was not named.
    """

    path: str
    host: str = ""
    kind: str = ""

    def __str__(self) -> str:
        place = f"{self.host}/{self.path}" if self.host else self.path
        if self.host and not _HOST.fullmatch(self.host):
            place = f"ssh://{place}"  # alone, it would read as a path
        return f"{self.kind}:{place}" if self.kind else place

    def matches(self, other: Repository) -> bool:
        """Whether the two are equal in all parts that both name."""
        return (
            self.path == other.path
            and (not self.host or not other.host or self.host == other.host)
            and (not self.kind or not other.kind or self.kind == other.kind)
        )


def read_hash(line: str) -> str | None:
    """The SHA-256 on a line, in lower case; None without one.

    Example:
        >>> read_hash("SHA256 (a b.py) = " + "AB" * 32) == read_hash("ab" * 32 + " *a b.py")
        True
        >>> read_hash("owner/repository")
    """
    for form in _HASH_FORMS:
        if found := form.fullmatch(line):
            return found["hash"].lower()
    if found := _INTEGRITY.fullmatch(line):
        try:
            return base64.b64decode(found[1], validate=True).hex()
        except binascii.Error:
            return None
    return None


def read_repository(line: str) -> Repository | None:
    """The repository that a line names; None without one.

    Example:
        >>> str(read_repository("git@github.com:Owner/Name.git"))
        'github.com/owner/name'
        >>> str(read_repository("https://gitlab.com/group/sub/name/-/tree/main"))
        'gitlab.com/group/sub/name'
        >>> str(read_repository("https://pypi.org/project/Some_Name/"))
        'pypi:some-name'
        >>> read_repository("please remove me")
    """
    line = line.strip().strip("<>\"'`").strip()
    if address := _ADDRESS.fullmatch(line):
        return _at(address["host"], address["path"] or "")
    if scp := _SCP.fullmatch(line):
        return _at(scp["host"], scp["path"])
    if named := _KIND.fullmatch(line):
        return _of_kind(named["kind"].lower(), named["rest"])
    if _HEX.fullmatch(line) and len(line) >= _MIN_HEX_OF_A_HASH:
        return None  # a hash of another kind, or one that lost a digit
    line = re.split(r"[?#]", line)[0]
    first, slash, rest = line.partition("/")
    host = first.lower().removeprefix("www.")
    if _HOST.fullmatch(host) and (rest.strip("/").count("/") or host in _FORGES):
        return _at(first, rest)
    if not slash:
        return Repository(line.casefold()) if _PART.fullmatch(line) else None
    path = _path(line)
    return Repository(path) if path and path.count("/") else None


def _at(host: str, path: str) -> Repository | None:
    """The repository at an address, whichever of its pages the address shows."""
    host, path = host.lower().removeprefix("www."), path.strip("/")
    for pattern, kind in _PACKAGES:
        if found := pattern.match(f"{host}/{path}"):
            return _of_kind(kind, found[1])
    if host == "raw.githubusercontent.com":
        host = "github.com"
    elif host == "api.github.com":
        host, path = "github.com", path.removeprefix("repos/")
    if host == "huggingface.co":
        path = path.removeprefix("datasets/").removeprefix("spaces/")
    if host in _TWO_PARTS:
        path = "/".join(path.split("/")[:2])
    path = _path(_BEHIND.sub("", path))
    if not path or ("/" not in path and host in _FORGES):
        return None
    return Repository(path, host)


def _of_kind(kind: str, rest: str) -> Repository | None:
    if _NO_KINDS.fullmatch(kind):
        return None
    if "://" in rest or _SCP.fullmatch(rest):
        found = read_repository(rest)
        return None if found is None else Repository(found.path, found.host, kind)
    name = rest.casefold()
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name)
    return Repository(name, kind=kind)


def _path(path: str) -> str:
    """A path of names, in lower case, without ``.git``; empty for other text."""
    path = path.strip("/").casefold().removesuffix(".git")
    return path if path and all(_PART.fullmatch(part) for part in path.split("/")) else ""
