"""The fast tokenizer gives what the plain one gives; headers and turned documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.core.errors import InputError, MultiturnError
from multiturn.data.packing import encoder as module
from multiturn.data.packing.encoder import Encoder
from multiturn.data.packing.fim import FillInTheMiddle, Sentinels, segments_of
from multiturn.text.tokenizers_codegen import train_tokenizer


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    texts = [path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))]
    train_tokenizer(texts, 1200).save(folder)
    return folder


odd_texts = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(["<|endoftext|>", " " * 40, "\t" * 12, "\r\n", "é", "é", "'S'll", "\0"]),
    ),
    max_size=20,
).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        odd_texts.filter(lambda text: text.isascii() or text.encode("utf-8", "ignore")), max_size=5
    )
)
def test_ids_are_those_of_the_plain_tokenizer(directory: Path, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    encoder = _opened(directory)
    found = [ids.tolist() for ids in encoder.encode([text.encode() for text in texts])]
    assert found == [encoder.tokenizer.encode(text) for text in texts]


_OPEN: dict[Path, Encoder] = {}


def _opened(directory: Path) -> Encoder:
    return _OPEN.setdefault(directory, Encoder(directory))


def test_the_fast_way_is_taken_and_without_it_the_ids_are_the_same(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gigatoken")
    fast = Encoder(directory)
    assert fast.fast
    monkeypatch.setattr(Encoder, "_open_fast", lambda self: None)
    plain = Encoder(directory)
    assert not plain.fast
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    for left, right in zip(fast.encode(texts), plain.encode(texts), strict=True):
        assert np.array_equal(left, right)


def test_a_difference_stops_the_build(directory: Path) -> None:
    pytest.importorskip("gigatoken")
    encoder = Encoder(directory)
    encoder._fast = _Wrong(encoder._fast)
    with pytest.raises(MultiturnError, match="different tokens for a text"):
        list(encoder.encode([b"def f(): pass"]))


class _Wrong:
    """Cuts every text as if a letter stood before it."""

    def __init__(self, real: object) -> None:
        self._real = real

    def encode_batch(self, texts: list[bytes], *, parallel: bool) -> object:
        return self._real.encode_batch([b"z" + text for text in texts], parallel=parallel)


def test_emptying_the_cache_changes_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED_BYTES", 100)
    encoder = Encoder(directory)
    text = b"remember me " * 20
    first, second = (next(encoder.encode([text])).tolist() for _ in range(2))
    assert first == second == encoder.tokenizer.encode(text.decode())


def test_a_tokenizer_without_an_end_is_refused(directory: Path, tmp_path: Path) -> None:
    text = (directory / "tokenizer.json").read_text().replace("<|endoftext|>", "<|other|>")
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(InputError, match="no end of text"):
        Encoder(tmp_path)


IDS = Sentinels(prefix=1, suffix=2, middle=3)


def restored(pieces: tuple[bytes | int, ...]) -> tuple[str, bytes]:
    """The order, and the text as it was before it was turned around."""
    match pieces:
        case (bytes(whole),):
            return "plain", whole
        case (1, bytes(prefix), 2, bytes(suffix), 3, bytes(middle)):
            return "PSM", prefix + middle + suffix
        case (1, 2, bytes(suffix), 3, bytes(rest)):
            # Where prefix ends in `rest` is not said; all of it comes first.
            return "SPM", rest + suffix
    raise AssertionError(pieces)


@given(st.text(min_size=2), st.integers(0, 2**63), st.integers(0, 10**9))
def test_a_turned_document_has_all_its_text(text: str, seed: int, number: int) -> None:
    content = text.encode("utf-8", "ignore")
    fill = FillInTheMiddle(rate=1.0)

    def turned() -> tuple[bytes | int, ...]:
        return segments_of(content, header=b"", fill=fill, sentinels=IDS, seed=(seed, number))

    how, whole = restored(turned())
    assert whole == content
    assert turned() == turned()
    assert how != "plain" or len(content.decode()) < 2


def test_rates_are_kept() -> None:
    content = b"def f(x):\n    return x\n"
    found = [
        restored(
            segments_of(
                content,
                header=b"",
                fill=FillInTheMiddle(rate=0.5, spm=0.25),
                sentinels=IDS,
                seed=(0, number),
            )
        )[0]
        for number in range(2000)
    ]
    assert 900 < found.count("plain") < 1100
    assert 200 < found.count("SPM") < 300


def test_the_header_stays_in_front() -> None:
    fill = FillInTheMiddle(rate=1.0, spm=0.0)
    pieces = segments_of(
        b"x = 1", header=b"# language: python\n", fill=fill, sentinels=IDS, seed=(0, 0)
    )
    assert pieces[0] == b"# language: python\n"
    plain = segments_of(
        b"x = 1", header=b"# language: python\n", fill=None, sentinels=None, seed=(0, 0)
    )
    assert plain == (b"# language: python\nx = 1",)
