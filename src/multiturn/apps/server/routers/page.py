"""`/` and `/page`: the page, from files of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from multiturn.apps.server.errors import ApiError

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


@cache
def _files() -> Mapping[str, _File]:
    """All files of the page by their names: no other name leads anywhere."""
    place = files("multiturn.apps.server") / "page"
    found = {}
    for before, part in (("", place), ("vendor/", place / "vendor")):
        for file in part.iterdir():
            kind = _TYPES.get("." + file.name.rpartition(".")[2])
            if kind is not None:
                content = file.read_bytes()
                tag = hashlib.sha256(content).hexdigest()[:20]
                found[before + file.name] = _File(content, kind, f'"{tag}"')
    return found


@router.get("/")
def front(request: Request) -> Response:
    """The page."""
    return _answer(request, "index.html")


@router.get("/page/{name:path}")
def page_file(request: Request, name: str) -> Response:
    """A part of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise ApiError(404, "the page has no such file")
    headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Content-Type": file.kind}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers)
