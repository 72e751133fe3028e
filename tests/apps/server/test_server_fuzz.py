"""Thousands of requests made from the OpenAPI document: none ends in a 500, or hangs."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.apps.server.openai.bodies import ChatBody, CompletionBody

pytestmark = pytest.mark.real

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from([*CompletionBody.model_fields, *ChatBody.model_fields])
GOOD = {
    "prompt": st.sampled_from(["x", ["x", "y"], [1, 2], [[1], [2, 3]]]),
    "messages": st.just([{"role": "user", "content": "x"}]),
    "max_tokens": st.integers(0, 8),
    "n": st.integers(1, 3),
    "best_of": st.integers(1, 3),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "logprobs": st.integers(0, 5) | st.booleans(),
    "echo": st.booleans(),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0.01, 1),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": st.text(min_size=1, max_size=4) | st.lists(st.text(min_size=1, max_size=4), max_size=4),
    "suffix": st.text(max_size=8),
    "logit_bias": st.dictionaries(st.integers(0, 400).map(str), st.floats(-100, 100), max_size=3),
}
BODIES = st.fixed_dictionaries({"model": st.just("tiny")}, optional=GOOD)


@given(
    st.sampled_from(["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"]),
    BODIES,
    st.dictionaries(NAMES, JSON, max_size=2),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_the_server(
    server: Any, path: str, body: dict[str, Any], broken: dict[str, Any]
) -> None:
    with server.client() as client:
        answer = client.post(path, json={**body, **broken})
        assert answer.status_code in (200, 400, 404), answer.text
        if answer.headers["content-type"].startswith("text/event-stream"):
            assert answer.text.endswith("data: [DONE]\n\n")
        elif answer.status_code != 200:
            assert answer.json()["error"]["message"]


@pytest.mark.slow
def test_schemathesis_finds_nothing(server: Any) -> None:
    """10,000 requests by the OpenAPI document, valid and not, with leaks looked for."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    schema = schemathesis.openapi.from_url(
        f"{server.url}/openapi.json", headers={"Authorization": f"Bearer {server.token}"}
    )
    statuses: Counter[int] = Counter()
    process = psutil.Process()
    operations = [each.ok() for each in schema.get_all_operations()]
    each_gets = -(-10_000 // len(operations))

    def fuzz(operation: Any, count: int) -> None:
        @given(case=operation.as_strategy())
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def run(case: Any) -> None:
            answer = case.call(
                base_url=server.url,
                headers={"Authorization": f"Bearer {server.token}"},
                timeout=120,
            )
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)

        run()

    for operation in operations:
        fuzz(operation, 50)  # caches fill
    gc.collect()
    files, threads = process.num_fds(), threading.active_count()
    before = process.memory_info().rss
    for operation in operations:
        fuzz(operation, each_gets)
    gc.collect()
    assert sum(statuses.values()) >= 10_000 * 0.9, statuses
    assert process.num_fds() <= files + 20
    assert threading.active_count() <= threads + 40
    assert process.memory_info().rss <= before + (300 << 20)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
