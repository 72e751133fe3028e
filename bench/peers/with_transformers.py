"""transformers: batched `generate`, rows padded on the left."""

from __future__ import annotations

from typing import Any

from peers.hub_directory import check
from peers.jobs import TEMPERATURE, TOP_P, Job, Model, Setting

TITLE = "transformers"
PACKAGES = ("transformers", "torch")


def settings(_model: Model, count: int) -> list[Setting]:
    """bfloat16 and float32; for many sequences its continuous batching as well."""
    found = [Setting(name=dtype, options={"dtype": dtype}) for dtype in ("bfloat16", "float32")]
    if count > 1:
        options = {"dtype": "bfloat16", "continuous": True}
        found.append(Setting(name="bfloat16, continuous batching", options=options))
    return found


def environment(_setting: Setting) -> dict[str, str]:
    """Nothing beyond the usual."""
    return {}


def instructions() -> str:
    """What torch chooses its kernels by."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def prepare(model: Model) -> dict[str, Any]:
    """The directory is its own format; it is where the directory is held against ours."""
    return {"greatest_logit_difference_from_ours": check(model)}


def load(model: Model, setting: Setting, threads: int) -> _Transformers:
    """Load with torch's own threads."""
    return _Transformers(model, threads, **setting.options)


class _Transformers:
    def __init__(self, model: Model, threads: int, *, dtype: str, continuous: bool = False) -> None:
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self._torch = torch
        self._continuous = continuous
        self._model = transformers.AutoModelForCausalLM.from_pretrained(
            model.directory, dtype=getattr(torch, dtype)
        ).eval()
        self._model.generation_config.eos_token_id = None
        self._model.generation_config.pad_token_id = 0
        self._config = transformers.GenerationConfig

    def run(self, job: Job) -> list[int]:
        torch = self._torch
        torch.manual_seed(job.seed)
        # top_k must be named: its default of 50 is another, cheaper sampler.
        sampling = {"temperature": TEMPERATURE, "top_p": TOP_P, "top_k": 0} if job.sample else {}
        config = self._config(
            do_sample=job.sample,
            max_new_tokens=job.new_tokens,
            pad_token_id=0,
            eos_token_id=None,
            **sampling,
        )
        if self._continuous:
            config.eos_token_id = -1  # continuous batching wants one; none is ever -1
            answers = self._model.generate_batch(
                inputs=job.prompts, generation_config=config, progress_bar=False
            )
            return [len(answer.generated_tokens) for answer in answers.values()]
        longest = max(map(len, job.prompts))
        ids = torch.zeros((len(job.prompts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(job.prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        with torch.inference_mode():
            out = self._model.generate(ids, attention_mask=mask, generation_config=config)
        return [out.shape[1] - longest] * len(job.prompts)
