"""HTTP clients with this machine's proxies and certificates, and network errors in plain words."""

from __future__ import annotations

import os
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx

from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.retry import Timeouts

__all__ = ["TRANSIENT_STATUSES", "http_client", "reason_of", "status_reason", "tls_context"]

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of transient errors: timeouts, too many requests, bad gateways."""


def tls_context(
    *, ca_bundle: str | None = None, client_certificate: str | None = None
) -> ssl.SSLContext:
    """The trusted certificates: a given bundle, or those of the system and of certifi.

    `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE` give a bundle too, as for pip and the hub's own
    client; `SSL_CERT_FILE` and `SSL_CERT_DIR` locate the system's.

    Args:
        ca_bundle: file or directory of certificates.
        client_certificate: file with the client's key and certificate.

    Raises:
        SourceFailedError: a file is missing or has no certificates.
    """
    bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    try:
        if bundle:
            path = Path(bundle).expanduser()
            context = (
                ssl.create_default_context(capath=str(path))
                if path.is_dir()
                else ssl.create_default_context(cafile=str(path))
            )
        else:
            context = httpx.create_ssl_context()
            context.load_default_certs()
        if client_certificate:
            context.load_cert_chain(Path(client_certificate).expanduser())
    except OSError as error:
        named = client_certificate if bundle is None else bundle
        raise SourceFailedError(f"the certificates in {named} cannot be read: {error}") from error
    return context


def http_client(
    *,
    timeouts: Timeouts,
    tls: ssl.SSLContext,
    proxy: str | None = None,
    trusted_hosts: tuple[str, ...] = (),
    user_agent: str = "multiturn",
) -> httpx.Client:
    """A client that follows redirects and requests uncompressed bytes.

    Proxies come from `proxy`, or from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
    `NO_PROXY`. The certificates of `trusted_hosts` are not checked.

    Raises:
        SourceFailedError: the proxy's URL is invalid.
    """
    timeout = httpx.Timeout(timeouts.read, connect=timeouts.connect)
    try:
        mounts = {
            f"all://{host}": httpx.HTTPTransport(verify=False, proxy=_proxy_for(host, proxy))
            for host in trusted_hosts
        }
        return httpx.Client(
            verify=tls,
            proxy=proxy,
            mounts=mounts,
            timeout=timeout,
            follow_redirects=True,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise SourceFailedError(f"the proxy setting cannot be used: {error}") from error


def _proxy_for(host: str, proxy: str | None) -> str | None:
    if proxy or urllib.request.proxy_bypass(host):
        return proxy
    proxies = urllib.request.getproxies()
    return proxies.get("https") or proxies.get("all")


def reason_of(error: Exception) -> str:
    """A network error in a few words, without addresses or secrets."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the host name cannot be resolved (no network?)"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate is not trusted ({cause.verify_message})"
    match error:
        case httpx.ConnectTimeout():
            return "no connection within the time allowed"
        case httpx.TimeoutException():
            return "it stopped answering"
        case httpx.ProxyError():
            return f"the proxy refused: {error}"
        case httpx.ConnectError():
            return f"no connection: {error}"
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return f"the connection broke: {error}".rstrip(": ")
        case httpx.TooManyRedirects():
            return "it redirects without end"
        case _:
            return f"{type(error).__name__}: {error}"


def status_reason(status: int) -> str:
    """The meaning of an HTTP status for a download."""
    meaning = {
        401: "it requires a login or token",
        403: "it refuses access",
        404: "it does not have the file",
        407: "the proxy requires a login",
        410: "the file is gone",
        429: "too many requests",
    }.get(status, "server error" if status >= 500 else "an unexpected answer")
    return f"{meaning} (HTTP {status})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
