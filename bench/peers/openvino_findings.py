"""What OpenVINO GenAI's continuous batching gives to an engine: streams, seeds, probabilities.

    PYTHONPATH=bench python -m peers.openvino_findings smollm2-135m

Run after ``bench/decode.py --peers openvino`` has converted the model; prints JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import openvino
import openvino_genai

from peers.hub_directory import prepare, prepared_place, tokenizer_of
from peers.jobs import short_prompts
from peers.with_openvino import place_of

NEW = 24


def main() -> None:
    """Ask the questions of the model named on the command line."""
    model = prepare(sys.argv[1], prepared_place())
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = 1
    scheduler.enable_prefix_caching = True
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        str(place_of(model, "int8")), scheduler, "CPU", {}
    )
    prompts = short_prompts(64, tokenizer_of(model.gguf).encode)
    alone, reads = run(pipeline, [(prompts[0], 5, 0.8, NEW)])
    again, _ = run(pipeline, [(prompts[0], 5, 0.8, NEW)])
    together = {
        count: run(pipeline, [(prompts[i], 5 + i, 0.8, NEW) for i in range(count)])[0][0]
        for count in (16, 64)
    }
    found: dict[str, Any] = {
        "model": model.name,
        "tokens": len(alone[0][0]),
        "reads": reads,
        "same_when_the_prompt_is_cached": again == alone,
        "same_tokens_in_a_batch_of": {n: a[0] == alone[0][0] for n, a in together.items()},
        "same_probabilities_in_a_batch_of": {n: a == alone[0] for n, a in together.items()},
        "logprob_differs_with_temperature_by": by_temperature(pipeline, prompts[1]),
    }
    print(json.dumps(found, indent=1))


def run(pipeline: Any, requests: list[tuple[list[int], int, float, int]]) -> tuple[Any, int]:
    """Tokens and log-probabilities of each request, and how often something could be read."""
    handles = []
    for number, (prompt, seed, temperature, new) in enumerate(requests):
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.logprobs = new, True, 1
        config.do_sample, config.temperature, config.rng_seed = True, temperature, seed
        ids = openvino.Tensor(np.array([prompt], np.int64))
        handles.append(pipeline.add_request(number, ids, config))
    written: list[tuple[list[int], list[float]]] = [([], []) for _ in handles]
    reads = 0
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for (tokens, logprobs), handle in zip(written, handles, strict=True):
            while handle.can_read():
                reads += 1
                for output in handle.read().values():
                    tokens.extend(output.generated_ids)
                    logprobs.extend(output.generated_log_probs)
    return written, reads


def by_temperature(pipeline: Any, prompt: list[int]) -> float:
    """How far the log-probability of the same first token differs between two temperatures."""
    seen: dict[float, dict[int, float]] = {}
    for temperature in (0.8, 1.6):
        draws, _ = run(pipeline, [(prompt, seed, temperature, 1) for seed in range(48)])
        seen[temperature] = {tokens[0]: logprobs[0] for tokens, logprobs in draws}
    both = seen[0.8].keys() & seen[1.6].keys()
    return max(abs(seen[0.8][token] - seen[1.6][token]) for token in both)


if __name__ == "__main__":
    main()
