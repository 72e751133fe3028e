"""`/`: where the start-up link leads."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse

__all__ = ["router"]

router = APIRouter()

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Multiturn</title>
<main>
<h1>Multiturn is running</h1>
<p>Programs use it over HTTP: OpenAI's API is under <code>/v1</code>, and
<a href="/openapi.json">the OpenAPI document</a> describes every endpoint.</p>
</main>
</html>
"""


@router.get("/", include_in_schema=False)
async def front() -> HTMLResponse:
    """A page that says what runs here."""
    return HTMLResponse(_PAGE)
