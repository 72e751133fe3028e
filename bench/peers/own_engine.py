"""A job done through this project's `Engine` protocol: text in, text out, stop rules and all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from multiturn.engines.protocol import Engine, Request, generate
from multiturn.text.tokenizers import Tokenizer
from peers.jobs import TEMPERATURE, TOP_P, Job


class EngineRun:
    """Sends one request a prompt, as many at once as the engine has slots."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine = engine
        self._tokenizer = tokenizer

    def run(self, job: Job) -> list[int]:
        """Continue all prompts."""
        with ThreadPoolExecutor(min(self._engine.info.slots, len(job.prompts))) as pool:
            return list(pool.map(lambda row: self._continue(job, row), range(len(job.prompts))))

    def _continue(self, job: Job, row: int) -> int:
        request = Request(
            prompt=self._tokenizer.decode(job.prompts[row]),
            temperature=TEMPERATURE if job.sample else 0.0,
            top_p=TOP_P,
            max_tokens=job.new_tokens,
            seed=job.seed + row,
        )
        (done,) = generate(self._engine, request)
        return len(done.tokens)
