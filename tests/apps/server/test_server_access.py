"""Who may use a server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from multiturn.apps.server.access import OPEN_PATHS

pytestmark = pytest.mark.real

PATH = "/openapi.json"


def test_health_needs_no_token_and_everything_else_does(server: Any) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}
    for path in ("/", PATH, "/nowhere", "/v1/models"):
        answer = httpx.get(server.url + path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert server.token not in answer.text


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"Authorization": ""}),
        (401, {"Authorization": "Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}),
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Host": "evil.example"}),
        (403, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}),
    ],
)
def test_no_endpoint_of_the_document_forgets_to_ask(
    server: Any, status: int, headers: dict[str, str]
) -> None:
    """Whatever the body: what may not be sent is refused before it is looked at."""
    with server.client() as client:
        paths = client.get(PATH).json()["paths"]
    asked = 0
    with server.client(headers=headers) as stranger:
        for path, operations in paths.items():
            if path in OPEN_PATHS:
                continue
            for method in operations:
                for name in ("session_id", "turn_id", "job_id", "number", "suffix", "model"):
                    path = path.replace(f"{{{name}}}", "1")
                answer = stranger.request(method.upper(), path, content=b"{")
                assert answer.status_code == status, (method, path)
                assert "access-control-allow-origin" not in answer.headers
                asked += 1
    assert asked > 30


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic wrong"},
        {"Cookie": "multiturn-80=x"},
        {"Cookie": "\x01; =; multiturn"},
    ],
)
def test_a_wrong_token_is_refused(server: Any, headers: dict[str, str]) -> None:
    assert httpx.get(server.url + PATH, headers=headers).status_code == 401


def test_the_right_token_is_accepted(server: Any) -> None:
    with server.client() as client:
        assert client.get(PATH).json()["openapi"].startswith("3.")


def test_the_link_sets_a_cookie_that_is_not_the_token(server: Any) -> None:
    with httpx.Client(base_url=server.url) as browser:
        answer = browser.get("/", params={"token": server.token})
        assert answer.status_code == 303 and answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert server.token not in cookie
        assert browser.get(PATH).status_code == 200


def test_a_wrong_link_sets_none(server: Any) -> None:
    answer = httpx.get(server.url, params={"token": "x" * 32})
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_host_is_refused(server: Any, host: str) -> None:
    with server.client(headers={"Host": host}) as client:
        assert client.get(PATH).status_code in (400, 403)
        assert client.get("/healthz").status_code in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", ""]
)
def test_another_origin_is_refused(server: Any, origin: str) -> None:
    with server.client(headers={"Origin": origin}) as client:
        answer = client.get(PATH)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert client.options(PATH).status_code == 403


def test_the_servers_own_page_is_accepted(server: Any) -> None:
    with server.client(headers={"Origin": server.url}) as client:
        assert client.get(PATH).status_code == 200


def test_a_browser_cannot_send_the_cookie_from_elsewhere(server: Any) -> None:
    with httpx.Client(base_url=server.url) as browser:
        browser.get("/", params={"token": server.token})
        crossing = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
        assert browser.get(PATH, headers=crossing).status_code == 403
        assert browser.post("/v1/completions", json={}).status_code == 403  # has no origin


def test_every_answer_has_the_headers_for_browsers(server: Any) -> None:
    for answer in (httpx.get(server.url), httpx.get(f"{server.url}/healthz")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
