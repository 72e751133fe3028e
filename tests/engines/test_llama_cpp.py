"""What only the llama.cpp engine has to show."""

from __future__ import annotations

import math
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiturn.core.errors import InputError, MissingDependencyError, ModelFileError
from multiturn.engines.llama_cpp import LlamaCppEngine, open_llama_cpp
from multiturn.engines.protocol import Delta, FinishReason, Request, generate

pytestmark = pytest.mark.real

FACES = 'faces = ["😀", "😃", "😄", "😁", "😆", "😅", "🤣", "😂", "🙂", "'


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[LlamaCppEngine]:
    with open_llama_cpp(smollm2, context=512, threads=2) as opened:
        yield opened


def test_characters_of_several_tokens_come_whole_with_all_their_tokens(
    engine: LlamaCppEngine,
) -> None:
    request = Request(prompt=FACES, temperature=0, max_tokens=12, logprobs=True)
    events = list(engine.stream(request))
    (done,) = generate(engine, request)
    assert any(ord(character) > 0xFFFF for character in done.text)
    assert "\N{REPLACEMENT CHARACTER}" not in done.text
    assert "".join(e.text for e in events if isinstance(e, Delta)) == done.text
    assert len(done.tokens) == 12 and min(done.tokens) >= 0
    assert done.logprobs is not None and all(map(math.isfinite, done.logprobs))
    # The ids say the text: what the model writes after them is what it wrote after the text.
    prefix = engine._tokenize(FACES, False)
    for place in (0, 3, 6):
        scored = engine.score(prefix + list(done.tokens[:place]), done.tokens[place])
        assert scored == pytest.approx(done.logprobs[place], abs=1e-4)


def test_log_probabilities_are_the_models_own_before_the_sampler(engine: LlamaCppEngine) -> None:
    """Against the full distribution, requested token by token, which must sum to one."""
    prompt = "def add(a, b):\n"
    request = Request(
        prompt=prompt, temperature=1.7, top_p=0.9, max_tokens=5, seed=11, logprobs=True
    )
    (done,) = generate(engine, request)
    prefix = engine._tokenize(prompt, False)
    for place, token in enumerate(done.tokens):
        answer = engine._server.post(
            "/completion",
            {
                "prompt": prefix + list(done.tokens[:place]),
                "n_predict": 1,
                "n_probs": 10**6,
                "temperature": 0,
            },
        )
        reported = answer["completion_probabilities"][0]["top_logprobs"]
        everything = {one["id"]: one["logprob"] for one in reported if one["logprob"] is not None}
        assert sum(map(math.exp, everything.values())) == pytest.approx(1, abs=1e-3)
        assert done.logprobs is not None
        assert done.logprobs[place] == pytest.approx(everything[token], abs=1e-4)


def test_the_models_own_end_ends_the_text(engine: LlamaCppEngine) -> None:
    request = Request(
        prompt="<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nHi",
        parse_special=True,
        temperature=0,
        max_tokens=200,
    )
    (done,) = generate(engine, request)
    assert "<|im_end|>" not in done.text
    assert done.finish_reason in (FinishReason.END_OF_TEXT, FinishReason.LENGTH)


def test_nobody_else_can_reach_the_socket(engine: LlamaCppEngine) -> None:
    directory = Path(engine._server._directory.name)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    inode = (directory / "s.sock").stat().st_ino
    assert inode
    code = "from multiturn.engines.llama_server import _UnixConnection as C\nimport sys\n"
    code += "c = C(sys.argv[1]); c.request('POST', '/completion', body='{}')\n"
    code += "print(c.getresponse().status)"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(directory / "s.sock")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert ran.stdout.strip() == "401"


@pytest.mark.parametrize(
    "ending", ["engine.close()", "del engine", "pass", "events.close()", "sys.exit(0)"]
)
def test_a_process_that_ends_is_quiet_and_leaves_nothing(
    smollm2: Path, tmp_path: Path, ending: str
) -> None:
    code = f"""
import sys
from pathlib import Path
from multiturn.engines.llama_cpp import open_llama_cpp
from multiturn.engines.protocol import Request
engine = open_llama_cpp(Path({str(smollm2)!r}), context=256)
events = engine.stream(Request(prompt="x = ", max_tokens=100))
next(events)
{ending}
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_long_temporary_directory_is_no_hindrance(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("long" * 25)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with open_llama_cpp(smollm2, context=128) as engine:
        assert generate(engine, Request(prompt="x", max_tokens=1))


def test_a_broken_file_is_refused_before_llama_cpp_sees_it(smollm2: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(smollm2.read_bytes()[: 5 * 2**20])
    with pytest.raises(ModelFileError):
        open_llama_cpp(broken)
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelFileError):
        open_llama_cpp(broken)


@pytest.mark.parametrize(
    "options", [{"context": 63}, {"context": 8193}, {"threads": 0}], ids=["low", "high", "threads"]
)
def test_options_out_of_range_are_refused(smollm2: Path, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="out of range"):
        open_llama_cpp(smollm2, **options)


def test_a_missing_package_is_named_with_the_fix(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'multiturn\[llama\]'"):
        open_llama_cpp(smollm2)
