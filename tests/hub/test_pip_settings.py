"""pip's settings, read as pip reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from multiturn.hub.partial import SourceFailedError
from multiturn.hub.sources.pip_settings import PYPI, PipSettings, read_pip_settings


@pytest.fixture
def person(tmp_path, no_pip):
    """A person with a home of their own, and a way to write their pip.conf."""
    no_pip.setenv("HOME", str(tmp_path))
    no_pip.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    no_pip.setenv("XDG_CONFIG_DIRS", str(tmp_path / "everyone"))
    no_pip.delenv("PIP_CONFIG_FILE")

    def write(place: str, text: str) -> str:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def test_nobody_said_anything(no_pip):
    assert read_pip_settings() == PipSettings()
    assert PipSettings().index_urls == (PYPI,)


def test_the_environment(no_pip):
    settings = read_pip_settings(
        {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "https://a.invalid/simple",
            "PIP_EXTRA_INDEX_URL": "https://b.invalid/simple\n https://c.invalid/simple",
            "PIP_FIND_LINKS": "/wheels https://d.invalid/links",
            "PIP_TRUSTED_HOST": "a.invalid b.invalid:8080",
            "PIP_CERT": "/ca.pem",
            "PIP_CLIENT_CERT": "/me.pem",
            "PIP_PROXY": "http://proxy.invalid:3128",
            "PIP_DEFAULT_TIMEOUT": "180",
        }
    )
    assert settings == PipSettings(
        index_urls=(
            "https://a.invalid/simple",
            "https://b.invalid/simple",
            "https://c.invalid/simple",
        ),
        find_links=("/wheels", "https://d.invalid/links"),
        trusted_hosts=("a.invalid", "b.invalid:8080"),
        cert="/ca.pem",
        client_cert="/me.pem",
        proxy="http://proxy.invalid:3128",
        timeout=180.0,
    )


def test_the_nearer_file_wins_and_the_environment_over_all(person, no_pip):
    person("everyone/pip/pip.conf", "[global]\nindex-url = https://everyone\nproxy = http://p\n")
    person(".pip/pip.conf", "[global]\nindex-url = https://old\n")
    person(".config/pip/pip.conf", "[global]\nindex_url = https://mine\ntimeout = 7\n")
    settings = read_pip_settings()
    assert settings.index_urls[0] == "https://mine"
    assert settings.proxy == "http://p"
    assert settings.timeout == 7.0
    no_pip.setenv("PIP_INDEX_URL", "https://env")
    assert read_pip_settings().index_urls == ("https://env",)


def test_the_section_of_install_wins_over_global_and_others_are_not_read(person):
    person(
        ".config/pip/pip.conf",
        "[install]\nindex-url = https://install\n[global]\nindex-url = https://global\n"
        "[download]\nindex-url = https://download\n",
    )
    assert read_pip_settings().index_urls == ("https://install",)


def test_a_named_file_takes_the_place_of_the_persons_own(person, no_pip):
    person(".config/pip/pip.conf", "[global]\nindex-url = https://mine\nproxy = http://p\n")
    named = person("named.conf", "[global]\nindex-url = https://named\n")
    no_pip.setenv("PIP_CONFIG_FILE", named)
    assert read_pip_settings().index_urls == ("https://named",)
    assert read_pip_settings().proxy is None


def test_agrees_with_pip_itself(person, no_pip):
    person(".pip/pip.conf", "[global]\nindex-url = https://old\n")
    person(
        ".config/pip/pip.conf",
        "[global]\nIndex_URL = https://mine\nextra-index-url =\n  https://x\n  https://y\n"
        "[install]\nproxy=http://p",
    )
    for key, ours in (
        ("global.index-url", read_pip_settings().index_urls[0]),
        ("global.extra-index-url", "\n".join(("", *read_pip_settings().index_urls[1:]))),
        ("install.proxy", read_pip_settings().proxy),
    ):
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", key],
            capture_output=True,
            text=True,
            check=True,
        )
        assert pip.stdout.rstrip("\n") == ours


def test_no_index(no_pip):
    no_pip.setenv("PIP_NO_INDEX", "true")
    no_pip.setenv("PIP_FIND_LINKS", "~/wheels")
    no_pip.setenv("HOME", "/home/me")
    settings = read_pip_settings()
    assert settings.index_urls == ()
    assert settings.find_links == ("/home/me/wheels",)


def test_uv_counts_where_pip_says_nothing(no_pip):
    no_pip.setenv("UV_INDEX_URL", "https://old")
    assert read_pip_settings().index_urls == ("https://old",)
    no_pip.setenv("UV_DEFAULT_INDEX", "main=https://new/simple?a=b")
    no_pip.setenv("UV_INDEX", "work=https://work https://other")
    assert read_pip_settings().index_urls == (
        "https://new/simple?a=b",
        "https://work",
        "https://other",
    )
    no_pip.setenv("PIP_INDEX_URL", "https://pip")
    assert read_pip_settings().index_urls == ("https://pip",)


@pytest.mark.parametrize("text", ["no section\n", "[global\n", "[global]\na = 1\na = 2\n"])
def test_a_broken_file_is_a_reason(person, text):
    path = person(".config/pip/pip.conf", text)
    with pytest.raises(SourceFailedError, match="cannot be read") as caught:
        read_pip_settings()
    assert path in str(caught.value)


def test_a_timeout_that_is_no_number_is_passed_over(no_pip):
    no_pip.setenv("PIP_TIMEOUT", "soon")
    assert read_pip_settings().timeout is None
