"""Every refusal and failure, in the shape of OpenAI's API.

{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from multiturn.core.errors import (
    ConflictError,
    ContextOverflowError,
    EngineError,
    HubError,
    InputError,
    MissingDependencyError,
    MultiturnError,
    SandboxUnavailableError,
    StorageError,
    StoreError,
    UnknownNameError,
)

__all__ = [
    "ApiError",
    "ErrorAnswer",
    "JsonResponse",
    "add_error_handlers",
    "as_api_error",
    "error_response",
]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,80}")
_TYPES_TRIED = frozenset({"str", "int", "float", "bool", "list", "dict"})

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}

_STATUSES: tuple[tuple[type[MultiturnError], int, str | None], ...] = (
    (ContextOverflowError, 400, "context_length_exceeded"),
    (UnknownNameError, 404, "not_found"),
    (InputError, 400, None),
    (ConflictError, 409, "conflict"),
    (MissingDependencyError, 501, "not_installed"),
    (SandboxUnavailableError, 503, "sandbox_unavailable"),
    (StoreError, 503, "store_unavailable"),
    (StorageError, 507, "storage_failed"),
    (HubError, 503, "model_unavailable"),
    (EngineError, 503, "engine_failed"),
)


class ErrorDetail(BaseModel):
    """What was wrong."""

    message: str
    """One line."""
    type: str
    """The kind of error."""
    param: str | None = None
    """The parameter that is wrong, if it is one."""
    code: str | None = None
    """A name of this error for programs."""


class ErrorAnswer(BaseModel):
    """The answer to a request that was refused or failed."""

    error: ErrorDetail


class ApiError(Exception):
    """A refusal, with the status of its answer.

    Args:
        status: of HTTP.
        message: one line.
        code: a name of the error for programs.
        param: the parameter that is wrong.
        retry_after: in seconds, when to come back.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        kind = _TYPES.get(self.status)
        if kind is None:
            kind = "invalid_request_error" if self.status < 500 else "server_error"
        detail = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": detail}


class JsonResponse(Response):
    """JSON that may contain half of a surrogate pair, as a person's text may."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The UTF-8 of the JSON; a lone surrogate becomes its escape sequence."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def error_response(error: ApiError) -> JsonResponse:
    """The answer for an error."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JsonResponse(error.body, status_code=error.status, headers=headers)


def as_api_error(error: MultiturnError, *, param: str | None = None) -> ApiError:
    """The refusal that an error of the layers below means to a client."""
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            return ApiError(status, str(error), code=code, param=param)
    return ApiError(503, str(error))


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of an application in this shape."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(MultiturnError, _on_multiturn_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_api_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ApiError)
    return error_response(error)


async def _on_multiturn_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, MultiturnError)
    return error_response(as_api_error(error))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """Name a wrong parameter. The answer does not repeat what was sent."""
    del request
    assert isinstance(error, RequestValidationError)
    faults: Sequence[Mapping[str, Any]] = error.errors()
    # Of a parameter with several types, the one that nearly fits says more.
    fault = min(faults, key=lambda each: str(each["type"]).endswith("_type"))
    name = _parameter(fault["loc"][1:])
    message = f"{fault['msg']}" if name is None else f"{name}: {fault['msg']}"
    if fault["type"] == "unknown_parameter":
        name = _parameter([*fault["loc"][1:], fault["ctx"]["name"].strip("'")])
        message = str(fault["msg"])
    if fault["type"] == "json_invalid":
        name, message = None, f"the body is not valid JSON: {fault['ctx']['error']}"
    return error_response(ApiError(400, message, param=name, code="invalid_value"))


def _parameter(place: Sequence[str | int]) -> str | None:
    """The name of a parameter by its place, without the types that were tried.

    Example:
        >>> _parameter(("messages", 0, "content", "list[TextPart]", 1, "text"))
        'messages[0].content[1].text'
    """
    name = ""
    for part in place:
        if isinstance(part, int):
            name += f"[{part}]"
        elif _NAME.fullmatch(part) and part not in _TYPES_TRIED:
            name += f".{part}" if name else part
    return name or None


async def _on_http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    answer = error_response(ApiError(error.status_code, str(error.detail).lower()))
    answer.headers.update(error.headers or {})
    return answer


async def _on_bug(request: Request, error: Exception) -> Response:
    """The traceback goes to the log; the answer has none of it."""
    _log.error("a bug in the answer to %s %s", request.method, request.url.path, exc_info=error)
    return error_response(ApiError(500, "a bug in the server; its log has the traceback"))
