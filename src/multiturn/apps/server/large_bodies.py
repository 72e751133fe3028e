"""Large bodies and answers, which are read and made in threads: the event loop serves everyone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from multiturn.core.errors import MultiturnError

__all__ = ["LargeBodyRoute", "json_answer"]

_LARGE_BYTES = 16 << 10
"""Smaller bodies take less time than a thread."""

_MAX_FAULTS = 100


class LargeBodyRoute(APIRoute):
    """A route whose body is checked in a thread if it is large."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the framework, which finds the body checked already."""
        usual = super().get_route_handler()
        annotation = None if self.body_field is None else self.body_field.field_info.annotation
        if annotation is None:
            return usual
        kind: TypeAdapter[Any] = TypeAdapter(annotation)

        async def handle(request: Request) -> Response:
            checked = _CheckedRequest(request, kind)
            try:
                return await usual(checked)
            except HTTPException:
                # All that the framework lets through while it reads a body.
                if checked.fault is None:
                    raise
                raise checked.fault from None

        return handle


class _CheckedRequest(Request):
    """A request whose body is checked when it is read, if it is large.

    Args:
        request: as it came.
        kind: of the body.

    Attributes:
        fault: of the body, once it is known.
    """

    def __init__(self, request: Request, kind: TypeAdapter[Any]) -> None:
        super().__init__(request.scope, request.receive)
        self._kind = kind
        self.fault: RequestValidationError | MultiturnError | None = None

    async def json(self) -> Any:
        """The body as plain data; or checked, so that the framework has nothing more to do."""
        content = await self.body()
        if len(content) <= _LARGE_BYTES:
            return await super().json()
        return await asyncio.to_thread(self._checked, content)

    def _checked(self, content: bytes) -> Any:
        found = json.loads(content)
        try:
            return self._kind.validate_python(found)
        except ValidationError as error:
            faults = error.errors(include_url=False)[:_MAX_FAULTS]
            self.fault = RequestValidationError(
                [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
            )
        except MultiturnError as error:
            self.fault = error
        raise HTTPException(400)


async def json_answer(make: Callable[[], BaseModel]) -> Response:
    """The answer that `make` computes, as JSON."""

    def answer() -> Response:
        return Response(make().model_dump_json(), media_type="application/json")

    return await asyncio.to_thread(answer)
