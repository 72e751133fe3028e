"""The user's pip settings: indexes, links, proxies and certificates.

They are read like pip does: configuration files, then environment variables, each overriding the
one before. If neither sets an index, uv's variables apply. pip itself need not be installed.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from multiturn.hub.partial import SourceFailedError

__all__ = ["PYPI", "PipSettings", "read_pip_settings"]

PYPI = "https://pypi.org/simple"
"""The default index of pip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipSettings:
    """The settings that `pip install` would use on this machine.

    Attributes:
        index_urls: simple indexes, the main one first; empty with `no-index`.
        find_links: directories, pages or files that hold packages.
        trusted_hosts: hosts, perhaps with a port, that may use plain HTTP or any certificate.
        cert: bundle of trusted certificates.
        client_cert: file with the client's key and certificate.
        proxy: URL of a proxy.
        timeout: seconds without an answer; None if not set.
    """

    index_urls: tuple[str, ...] = (PYPI,)
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float | None = None


def read_pip_settings(environment: Mapping[str, str] | None = None) -> PipSettings:
    """Read the settings.

    Args:
        environment: instead of this process's own.

    Raises:
        SourceFailedError: a configuration file cannot be read.
    """
    environment = os.environ if environment is None else environment
    values = _collect(environment)
    index = values.get("index-url") or values.get("pypi-url")
    extra = tuple(values.get("extra-index-url", "").split())
    if not index and not extra:
        index, extra = _from_uv(environment)
    no_index = _is_true(values.get("no-index", ""))
    return PipSettings(
        index_urls=() if no_index else (index or PYPI, *extra),
        find_links=tuple(
            os.path.expanduser(link)  # noqa: PTH111 - may be a URL, which Path would mangle
            for link in values.get("find-links", "").split()
        ),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        cert=values.get("cert"),
        client_cert=values.get("client-cert"),
        proxy=values.get("proxy"),
        timeout=_seconds(values.get("timeout") or values.get("default-timeout")),
    )


def _collect(environment: Mapping[str, str]) -> dict[str, str]:
    """Every option by its long name; the last source wins."""
    by_section: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _configuration_files(environment):
        for section, options in _read(path).items():
            if section in by_section:
                by_section[section].update(options)
    # As in pip, an empty value does not override another one.
    merged = {
        key: value
        for section in by_section.values()
        for key, value in section.items()
        if value.strip()
    }
    for name, value in environment.items():
        if name.startswith("PIP_") and value.strip():
            merged[_option(name.removeprefix("PIP_"))] = value
    return merged


def _configuration_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """The existing pip.conf files, the lowest priority first."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    if sys.platform == "darwin":
        everyone = platformdirs.site_data_dir("pip", appauthor=False, multipath=True)
        person = Path.home() / "Library" / "Application Support" / "pip"
        if not person.is_dir():
            person = Path.home() / ".config" / "pip"
    else:
        everyone = platformdirs.site_config_dir("pip", appauthor=False, multipath=True)
        person = Path(platformdirs.user_config_dir("pip", appauthor=False))
    candidates = [Path(place) / "pip.conf" for place in everyone.split(os.pathsep)]
    candidates.append(Path("/etc/pip.conf"))
    if not (named and Path(named).exists()):
        candidates += [Path.home() / ".pip" / "pip.conf", person / "pip.conf"]
    candidates.append(Path(sys.prefix) / "pip.conf")
    if named:
        candidates.append(Path(named))
    yield from (path for path in candidates if path.is_file())


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except PermissionError:
        return {}  # pip ignores it too
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        detail = str(error).splitlines()[0]
        raise SourceFailedError(f"pip's configuration {path} cannot be read: {detail}") from error
    return {
        section: {_option(key): value for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _from_uv(environment: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    main = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    extra = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}"
    return (_unnamed(main) if main else None), tuple(_unnamed(url) for url in extra.split())


def _unnamed(index: str) -> str:
    """An index URL without uv's optional name, ``name=url``."""
    name, separator, url = index.partition("=")
    return url if separator and "://" not in name else index


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on", "y", "t")


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text else None
    except ValueError:
        return None
    return seconds if seconds and seconds > 0 else None
