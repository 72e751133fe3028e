"""llama.cpp as it is: xllamacpp's server with a slot for each sequence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from peers.jobs import TEMPERATURE, TOP_P, Job, Model, Setting

TITLE = "llama.cpp, batched"
PACKAGES = ("xllamacpp",)


def settings(_model: Model, count: int) -> list[Setting]:
    """Slots for all sequences or fewer; its fused attention on, off, or as it chooses."""
    found = []
    for slots in dict.fromkeys((count, min(count, 32), min(count, 16))):
        options = {"slots": slots, "flash": None}
        found.append(Setting(name=f"{slots} slots", options=options))
    for flash in (True, False):
        options = {"slots": count, "flash": flash}
        words = "with" if flash else "without"
        found.append(Setting(name=f"{count} slots, {words} fused attention", options=options))
    return found


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """What the wheel's one library was compiled for, as it says."""
    from multiturn.hub.llama_cpp_library import import_xllamacpp

    return str(import_xllamacpp().get_system_info()).strip()


def prepare(_model: Model) -> dict[str, Any]:
    """It reads the GGUF file itself."""
    return {}


def load(model: Model, setting: Setting, threads: int) -> _Server:
    """Load, with its repacked kernels where it has them."""
    return _Server(model, threads, **setting.options)


class _Server:
    def __init__(self, model: Model, threads: int, *, slots: int, flash: bool | None) -> None:
        from multiturn.hub.llama_cpp_library import import_xllamacpp

        xllamacpp = import_xllamacpp()
        params = xllamacpp.CommonParams()
        params.model.path = str(model.gguf)
        params.n_parallel = slots
        params.n_ctx = min(model.context, 4096) * slots if slots < 16 else 256 * slots
        params.n_batch = params.n_ubatch = 512
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_threads_http = slots + 2
        params.fit_params = params.warmup = False
        params.verbosity = -1
        if flash is not None:
            kinds = xllamacpp.llama_flash_attn_type
            params.flash_attn_type = (
                kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED
                if flash
                else kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED
            )
        self._server = xllamacpp.Server(params)

    def run(self, job: Job) -> list[int]:
        with ThreadPoolExecutor(len(job.prompts)) as pool:
            return list(pool.map(lambda row: self._continue(job, row), range(len(job.prompts))))

    def _continue(self, job: Job, row: int) -> int:
        answer = self._server.handle_completions(
            {
                "prompt": job.prompts[row],
                "max_tokens": job.new_tokens,
                "temperature": TEMPERATURE if job.sample else 0.0,
                "top_k": 0,
                "top_p": TOP_P,
                "samplers": ["temperature", "top_k", "top_p"],
                "seed": job.seed + row,
                "cache_prompt": False,
                "ignore_eos": True,
            }
        )
        return int(answer["usage"]["completion_tokens"])
