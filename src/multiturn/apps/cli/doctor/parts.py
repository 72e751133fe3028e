"""Checks of Multiturn's own parts: settings, model, sandbox, sessions."""

from __future__ import annotations

from multiturn.apps.cli.better_model import best_model_line
from multiturn.apps.cli.doctor.check import Check
from multiturn.apps.cli.settings import Settings, resolve_settings
from multiturn.core.app_dirs import app_dirs
from multiturn.core.errors import EngineError, truncate_repr
from multiturn.engines.model_name import LocalModel, RemoteModel, ScriptedModel, read_model_name
from multiturn.engines.open import open_engine
from multiturn.engines.protocol import Request, generate
from multiturn.hub.downloads import locate
from multiturn.hub.registry import REGISTRY
from multiturn.hub.trained import not_trained_yet
from multiturn.sandbox.isolation import LEVEL_NOTES, IsolationLevel
from multiturn.sandbox.open import open_sandbox, probe_levels
from multiturn.sandbox.protocol import Program
from multiturn.synthesis.store import SessionStore

__all__ = [
    "check_model",
    "check_sandbox",
    "check_sessions",
    "check_settings",
    "check_writing",
    "is_here",
]


def check_settings() -> Check:
    """Whether config.toml and the environment can be read."""
    resolved = resolve_settings()
    changed = [name for name in resolved.origins if resolved.is_set(name)]
    path = app_dirs().settings
    found = str(path) if path.exists() else f"defaults ({path} does not exist, and need not)"
    return Check(
        name="settings",
        state="works",
        found=found,
        details=(f"set: {', '.join(changed)}",) if changed else (),
    )


def check_model(settings: Settings) -> Check:
    """Whether the selected model is downloaded and verified."""
    name = read_model_name(settings.model)
    used = name.model if isinstance(name, LocalModel) else None
    others = (
        *(
            f"also here: {other}"
            for other, entry in REGISTRY.items()
            if other != used and entry.file is not None and locate(other) is not None
        ),
        best_model_line(),
    )
    if isinstance(name, RemoteModel):
        found = f"{name.address}, a server; not contacted"
        return Check(name="model", state="note", found=found, details=others)
    if isinstance(name, ScriptedModel):
        if name.path.is_file():
            return Check(name="model", state="works", found=f"the script {name.path}")
        found = f"the script {name.path} does not exist"
        return Check(name="model", state="fails", found=found, fix="name an existing script")
    path = name.place
    if path is not None:
        files = path.iterdir() if path.is_dir() else [path]
        size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        found = f"{settings.model}, {size:.0f} MB, {path}"
        return Check(name="model", state="works", found=found, details=others)
    entry = REGISTRY[str(name.model)]
    if entry.trained is not None:
        error = not_trained_yet(entry)
        return Check(name="model", state="fails", found=error.what, details=others, fix=error.fix)
    size_words = f" ({entry.expected_bytes / 1e6:.0f} MB)" if entry.expected_bytes else ""
    return Check(
        name="model",
        state="note",
        found=f"{entry.name} is not downloaded yet; the first use downloads it{size_words}",
        details=others,
        fix=f"multiturn models pull {entry.name}",
    )


def check_sandbox(settings: Settings) -> Check:
    """How programs are isolated: probes each level with a program that tries to escape."""
    tried = probe_levels()
    with open_sandbox(unsafe=settings.unsafe, workers=1) as sandbox:
        result = sandbox.run(Program(source="print(6 * 7)"))
        notes = LEVEL_NOTES[sandbox.isolation]
        found = f"{sandbox.isolation.value}: {notes.covers}"
    others = [
        f"{each.isolation.value} {'works too' if each.works else f'does not work: {each.reason}'}"
        for each in tried
        if each.isolation not in (sandbox.isolation, IsolationLevel.LIMITS_ONLY)
    ]
    return Check(
        name="sandbox",
        state="works" if result.stdout == b"42\n" else "fails",
        found=found,
        details=(*(f"not covered: {gap}" for gap in notes.gaps), *others),
        fix=f"for stronger isolation: {notes.better}" if notes.better else None,
    )


def check_sessions() -> Check:
    """Whether the session store is intact. Does not create it."""
    path = app_dirs().sessions
    if not path.exists():
        return Check(
            name="sessions", state="works", found="none yet; the first turn creates the store"
        )
    with SessionStore() as store:
        store.check()
        count = len(store.list())
    return Check(name="sessions", state="works", found=f"{count} sessions, intact, in {path}")


def is_here(settings: Settings) -> bool:
    """Whether the model can be run without a download. A script is not a model."""
    name = read_model_name(settings.model)
    return isinstance(name, RemoteModel) or (
        isinstance(name, LocalModel) and name.place is not None
    )


def check_writing(settings: Settings) -> Check:
    """Whether the model generates text: loads it and generates a few tokens."""
    name = read_model_name(settings.model)
    if isinstance(name, LocalModel) and name.place is None:
        raise EngineError("the model is not downloaded", fix=f"multiturn models pull {name.model}")
    notes: list[str] = []
    with open_engine(
        settings.model,
        context=settings.context,
        threads=settings.threads,
        engine=settings.engine,
        listen=notes.append,
    ) as engine:
        prompt = "# Print hello.\nprint("
        room = engine.info.context_window - engine.count_tokens(prompt)
        request = Request(prompt=prompt, max_tokens=max(1, min(16, room)), temperature=0)
        done = generate(engine, request)[0]
        info = engine.info
        by = f"{info.engine} ({info.kernels})" if info.kernels else info.engine
    rate = len(done.tokens) / max(done.timings.total - done.timings.to_first_token, 1e-6)
    if not done.text.strip():
        return Check(
            name="writing",
            state="note",
            found=f"the model ran with {by}, but wrote only white space",
            details=tuple(notes),
            fix="try another model: --model NAME",
        )
    return Check(
        name="writing",
        state="works",
        found=f"the model wrote {len(done.tokens)} tokens with {by}, {rate:.0f} a second: "
        f"{truncate_repr(done.text)}",
        details=tuple(notes),
    )
