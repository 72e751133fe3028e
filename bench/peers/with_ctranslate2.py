"""CTranslate2, with its own converter from a directory of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from peers.jobs import TEMPERATURE, TOP_P, Job, Model, Setting

TITLE = "CTranslate2"
PACKAGES = ("ctranslate2", "transformers", "torch")

_KEPT = ("int8", "float32")
"""What is converted; bfloat16 is made from float32 when it is loaded."""


def settings(_model: Model, _count: int) -> list[Setting]:
    """Every type that this processor's library computes in, with both of its backends.

    Off Intel it takes oneDNN by itself, and MKL on request.
    """
    return [
        Setting(name=f"{kind}, {'MKL' if mkl else 'oneDNN'}", options={"kind": kind, "mkl": mkl})
        for kind in ("int8", "int8_bfloat16", "bfloat16", "float32")
        for mkl in (False, True)
    ]


def environment(setting: Setting) -> dict[str, str]:
    """Its choice of backend is an environment variable."""
    return {"CT2_USE_MKL": str(int(setting.options["mkl"]))}


def instructions() -> str:
    """The types that it computes in here."""
    import ctranslate2

    return " ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))


def prepare(model: Model) -> dict[str, Any]:
    """Convert once, beside the directory."""
    from ctranslate2.converters import TransformersConverter

    for kind in _KEPT:
        target = _place(model, kind)
        if not target.exists():
            converter = TransformersConverter(str(model.directory))
            work = target.with_suffix(".part")
            shutil.rmtree(work, ignore_errors=True)
            converter.convert(str(work), quantization=None if kind == "float32" else kind)
            work.rename(target)
    return {}


def load(model: Model, setting: Setting, threads: int) -> _CTranslate2:
    """Load one replica that uses all threads."""
    return _CTranslate2(model, threads, setting.options["kind"])


class _CTranslate2:
    def __init__(self, model: Model, threads: int, kind: str) -> None:
        import ctranslate2

        self._library = ctranslate2
        stored = "int8" if kind.startswith("int8") else "float32"
        self._generator = ctranslate2.Generator(
            str(_place(model, stored)), compute_type=kind, intra_threads=threads, inter_threads=1
        )
        vocabulary = _place(model, stored) / "vocabulary.json"
        self._words: list[str] = json.loads(vocabulary.read_text("utf-8"))

    def run(self, job: Job) -> list[int]:
        self._library.set_random_seed(job.seed)
        sampling: dict[str, Any] = {"sampling_topk": 1}
        if job.sample:
            sampling = {
                "sampling_topk": 0,
                "sampling_topp": TOP_P,
                "sampling_temperature": TEMPERATURE,
            }
        answers = self._generator.generate_batch(
            [[self._words[token] for token in prompt] for prompt in job.prompts],
            max_length=job.new_tokens,
            min_length=job.new_tokens,
            include_prompt_in_result=False,
            **sampling,
        )
        return [len(answer.sequences_ids[0]) for answer in answers]


def _place(model: Model, kind: str) -> Path:
    return model.directory.with_name(f"{model.directory.name}.ctranslate2-{kind}")
