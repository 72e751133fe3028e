"""What answers and chunks of both kinds share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from multiturn.apps.server.openai.answers import Finish, PromptTokensDetails, Usage
from multiturn.apps.server.resources import ServerResources
from multiturn.engines.protocol import Completion, FinishReason

__all__ = ["Envelope", "finish_of", "usage_of"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields around the choices, equal in all chunks of an answer."""

    id: str
    created: int
    model: str
    system_fingerprint: str

    @classmethod
    def new(cls, prefix: str, resources: ServerResources) -> Envelope:
        """Of a new answer, whose id begins with `prefix`."""
        return cls(
            id=f"{prefix}-{secrets.token_hex(12)}",
            created=int(time.time()),
            model=resources.model_id,
            system_fingerprint=resources.engine.info.engine,
        )

    def fields(self, kind: str) -> dict[str, Any]:
        """As JSON has them, with the kind of object."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.system_fingerprint,
        }


def finish_of(completion: Completion) -> Finish:
    """Why a text ended, in OpenAI's words."""
    return "length" if completion.finish_reason is FinishReason.LENGTH else "stop"


def usage_of(completions: Iterable[Completion], *, no_text: bool = False) -> Usage:
    """The numbers of tokens of all completions; a prompt counts once for all of its own.

    Args:
        completions: of one or several requests.
        no_text: the new tokens were not asked for.
    """
    prompt = new = cached = 0
    for completion in completions:
        if completion.index == 0:
            prompt += completion.prompt_tokens
            cached += completion.cached_tokens
        new += 0 if no_text else len(completion.tokens)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=new,
        total_tokens=prompt + new,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=cached),
    )
