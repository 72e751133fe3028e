"""`multiturn serve`: the model and the sessions over HTTP."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from multiturn import __version__
from multiturn.apps.cli.app_context import open_app_context
from multiturn.apps.cli.error_report import note
from multiturn.apps.cli.extras import require_extra
from multiturn.apps.cli.screen import console_for
from multiturn.apps.cli.session_options import with_session_options
from multiturn.apps.cli.session_settings import session_settings
from multiturn.apps.cli.settings import resolve_settings
from multiturn.apps.cli.terminal import neutralize
from multiturn.core.errors import InputError

if TYPE_CHECKING:
    from multiturn.apps.server.settings import ServerSettings

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)

TOKEN_VARIABLE = "MULTITURN_SERVER_TOKEN"


@app.command()
@with_session_options
def serve(
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen at.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="NUMBER", help="The port; 0 takes a free one.")
    ] = 8000,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            "--host-name", metavar="NAME", help="A further name of this server in URLs; repeatable."
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin", metavar="URL", help="A page elsewhere that may use it; repeatable."
        ),
    ] = None,
    max_waiting: Annotated[
        int,
        typer.Option(
            "--max-waiting",
            metavar="COUNT",
            help="Requests that wait for the model; others get 429.",
        ),
    ] = 64,
    stop_seconds: Annotated[
        float,
        typer.Option(
            "--stop-seconds", metavar="SECONDS", help="How long requests may finish when it stops."
        ),
    ] = 30.0,
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs", metavar="DIR", help="Show the benchmark runs in this directory in the page."
        ),
    ] = None,
    flags: dict[str, object],
) -> None:
    """Serve the model and the sessions over HTTP, to programs and to a browser.

    Programs use OpenAI's API at the printed address with the printed token as their key.
    Only this machine can connect, unless --host names another address. The token is random;
    MULTITURN_SERVER_TOKEN sets one. Ctrl-C stops the server when the running requests are
    finished; a second one stops it at once.
    """
    settings = resolve_settings(flags).settings
    if settings.unsafe:
        raise InputError(
            "a server runs programs in the sandbox only",
            got="--unsafe",
            fix="leave it out, also in the environment and in config.toml",
        )
    with require_extra("serve", purpose="the server"):
        import prometheus_client  # noqa: F401 - fail before the model is loaded

        from multiturn.apps.server.resources import ServerResources
        from multiturn.apps.server.runs.library import RunLibrary
        from multiturn.apps.server.serving import HttpServer, bind
        from multiturn.apps.server.settings import ServerSettings, is_loopback
    token = os.environ.get(TOKEN_VARIABLE)
    server_settings = ServerSettings(
        host=host,
        port=port,
        host_names=tuple(host_name or ()),
        origins=tuple(origin or ()),
        max_waiting=max_waiting,
        stop_seconds=stop_seconds,
    )
    if token:
        server_settings = replace(server_settings, token=token)
    library = RunLibrary(runs) if runs is not None else None
    console = console_for()
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    # Bound first: that a port is in use is known before a model is loaded.
    with (
        bind(server_settings) as listener,
        open_app_context(settings, console, ask=at_terminal) as context,
    ):
        resources = ServerResources(
            engine=context.engine,
            model=context.model,
            sandbox=context.sandbox,
            store=context.store,
            settings=server_settings,
            session_settings=session_settings(settings),
            runs=library,
        )
        if not is_loopback(host):
            note(
                f"every machine that reaches port {listener.getsockname()[1]} and has the token "
                "can run programs in the sandbox of this one, and read and change its sessions. "
                "The traffic is not encrypted: use a proxy with TLS, or forward the port over SSH"
            )
        server = HttpServer(resources, listener)
        server.on_ready = lambda: _greet(
            console, server.address, server_settings, context.model, context.sandbox.isolation.value
        )
        _settle_memory()
        server.run()
        console.print("The server has stopped.")


def _settle_memory() -> None:
    """Leave out of garbage collection what the server is made of.

    Going through all of it would stop every client for a tenth of a second now and then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _greet(
    console: Console, address: str, settings: ServerSettings, model: str, isolation: str
) -> None:
    title = Text(f"Multiturn {__version__}", style="bold")
    title.append(f" · {neutralize(model)} · sandbox: {isolation}", style="default")
    console.print(title)
    # Plain, so that a program can read the lines.
    print(f"Page: {address}/?token={settings.token}")
    print(f"API:  {address}/v1  key: {settings.token}")
    print("Ctrl-C stops the server.", flush=True)
