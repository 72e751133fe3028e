"""Answers in one piece."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.apps.server.resources import ServerResources
from multiturn.engines.protocol import Completion, Request

__all__ = ["collect"]


async def collect(
    resources: ServerResources, requests: Sequence[Request]
) -> list[list[Completion]]:
    """The completions of each request, by index.

    Raises:
        ApiError, MultiturnError: see `EngineCall`.
    """
    found: list[list[Completion]] = [[] for _ in requests]
    generation = resources.generate(requests)
    try:
        await generation.start()
        async for events in generation:
            for number, event in events:
                if isinstance(event, Completion):
                    found[number].append(event)
    finally:
        generation.close()
    return [sorted(each, key=lambda completion: completion.index) for each in found]
