"""What the server counts and measures, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from multiturn.apps.server.admission import Admission
from multiturn.apps.server.generation import GenerationListener
from multiturn.engines.protocol import Completion

__all__ = ["GenerationMetrics", "Metrics", "MetricsMiddleware"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Metrics:
    """The metrics of one server."""

    def __init__(self, admission: Admission) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter(
            "multiturn_http_requests", "Answered requests.", ["method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "multiturn_http_request_seconds", "From a request to the end of its answer.",
            ["route"], buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.first_token_seconds = Histogram(
            "multiturn_first_token_seconds", "From a request to its first text, waiting included.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.generations = Counter(
            "multiturn_generations",
            "Ended calls of the engine: completed, cancelled, slow_reader, stopped or failed.",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self.new_tokens = Counter("multiturn_new_tokens", "Generated tokens.", registry=registry)
        self.prompt_tokens = Counter(
            "multiturn_prompt_tokens", "Tokens of prompts, once for each continuation.",
            registry=registry,
        )  # fmt: skip
        self.cached_tokens = Counter(
            "multiturn_cached_prompt_tokens", "Tokens of prompts that needed no prefill.",
            registry=registry,
        )  # fmt: skip
        self.loop_lag_seconds = Histogram(
            "multiturn_event_loop_lag_seconds", "How late the event loop runs what is due.",
            buckets=_LAG_SECONDS, registry=registry,
        )  # fmt: skip
        self.max_loop_lag = Gauge(
            "multiturn_event_loop_max_lag_seconds", "The longest since the start.",
            registry=registry,
        )  # fmt: skip
        self.max_loop_busy = Gauge(
            "multiturn_event_loop_max_busy_seconds",
            "The longest that the event loop computed before it looked at its connections again, "
            "in processor time, since the start.",
            registry=registry,
        )
        for name, help_text, read in (
            ("multiturn_running_continuations", "Being generated.", lambda: admission.running),
            ("multiturn_waiting_requests", "Waiting for the engine.", lambda: admission.waiting),
        ):
            Gauge(name, help_text, registry=registry).set_function(read)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class GenerationMetrics(GenerationListener):
    """Counts the generations of a server."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_first_token(self, seconds: float) -> None:
        """Measure the wait."""
        self._metrics.first_token_seconds.observe(seconds)

    def on_completion(self, completion: Completion) -> None:
        """Count tokens."""
        self._metrics.new_tokens.inc(len(completion.tokens))
        self._metrics.prompt_tokens.inc(completion.prompt_tokens)
        self._metrics.cached_tokens.inc(completion.cached_tokens)

    def on_end(self, outcome: str) -> None:
        """Count the outcome."""
        self._metrics.generations.labels(outcome).inc()


class MetricsMiddleware:
    """Counts and measures requests, by the route that answers and not by the path.

    Args:
        app: the application.
        metrics: of the server.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), "none"

        async def send_and_note(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # A client chooses the path and the method, so they must not name a metric.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
