"""`/api/about`: what a page needs to know of the server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from multiturn import __version__
from multiturn.apps.server.resources import ServerResources, resources_of
from multiturn.apps.server.sessions.candidate_views import View
from multiturn.apps.server.sessions.settings_models import SettingsView
from multiturn.core.records import to_plain
from multiturn.sandbox.compiled.runner import available_languages
from multiturn.sandbox.isolation import LEVEL_NOTES

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["sessions"])


class IsolationView(View):
    """How strongly programs are isolated here."""

    level: str
    covers: str
    """What is isolated."""
    gaps: list[str]
    """What is not."""
    better: str | None
    """How to get a better level."""


class LanguageView(View):
    """A language that programs may be written in."""

    key: str
    """Its name in the settings of a session."""
    name: str
    """As people write it."""
    fix: str | None
    """How to install the tools that are missing here; null if none is."""


class AboutView(View):
    """The server, its model and its sandbox."""

    version: str
    """Of Multiturn."""
    model: str
    """The name or path of the model."""
    engine: str
    """Kind and version."""
    context_window: int
    """Tokens of prompt and continuation together."""
    slots: int
    """How many continuations are generated at once."""
    isolation: IsolationView
    settings: SettingsView  # type: ignore[valid-type]
    """Of new sessions."""
    languages: list[LanguageView]
    """Those that a new session may have."""
    runs: bool
    """Whether the server shows saved benchmark runs."""


@router.get("/about")
def about(resources: Annotated[ServerResources, Depends(resources_of)]) -> AboutView:
    """The server, its model and its sandbox."""
    info, level = resources.engine.info, resources.sandbox.isolation
    notes = LEVEL_NOTES.get(level)
    return AboutView(
        version=__version__,
        model=resources.model,
        engine=info.engine,
        context_window=info.context_window,
        slots=info.slots,
        isolation=IsolationView(
            level=level.value,
            covers="" if notes is None else notes.covers,
            gaps=[] if notes is None else list(notes.gaps),
            better=None if notes is None else notes.better,
        ),
        settings=SettingsView.model_validate(to_plain(resources.session_settings)),
        languages=[
            LanguageView(
                key=each.language.key,
                name=each.language.name,
                fix=None if each.works else each.fix,
            )
            for each in available_languages()
        ],
        runs=resources.runs is not None,
    )
