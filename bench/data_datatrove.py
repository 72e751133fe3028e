"""Filter, near-deduplication and tokenizing in datatrove, for `data.py`; needs nothing else.

    python bench/data_datatrove.py INPUT_FOLDER WORK_FOLDER TOKENIZER_JSON

Prints one line of JSON: processor seconds of each step, the most memory held, and the ids of what
was dropped as a near-duplicate. One process, one task; settings are datatrove's own defaults.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.logging import logger

_DIGITS = re.compile(r"[0-9a-fA-F]")


def passes(document: Any) -> bool:
    """The paper's filters: average line, longest line, share of digits."""
    lines = document.text.split("\n")
    lengths = [len(line) for line in lines]
    if sum(lengths) / len(lengths) > 100 or max(lengths) > 1000:
        return False
    return len(_DIGITS.findall(document.text)) <= 0.9 * len(document.text)


def main() -> None:
    """Run the steps one after the other."""
    given, work, tokenizer = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    logger.remove()
    logging.disable(logging.CRITICAL)
    places = {
        name: str(work / name)
        for name in ("kept", "signatures", "buckets", "removed", "dropped", "tokens")
    }
    seconds = {}

    def run(step: str, pipeline: list[Any], tasks: int = 1) -> None:
        start = time.process_time()
        logs = str(work / "logs" / f"{step}-{len(list(work.glob('logs/*')))}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=logs).run()
        seconds[step] = seconds.get(step, 0.0) + time.process_time() - start

    def kept() -> Any:
        return JsonlReader(places["kept"])

    reader = ParquetReader(given, text_key="text", id_key="id")
    run("filter", [reader, LambdaFilter(passes), JsonlWriter(places["kept"])])
    run("dedup", [kept(), MinhashDedupSignature(places["signatures"])])
    # One task for each of the buckets, one after the other.
    run("dedup", [MinhashDedupBuckets(places["signatures"], places["buckets"])], tasks=14)
    run("dedup", [MinhashDedupCluster(places["buckets"], places["removed"])])
    writer = JsonlWriter(places["dropped"])
    tokens = DocumentTokenizer(
        places["tokens"],
        tokenizer,
        eos_token="<|endoftext|>",
        local_working_dir=str(work / "local"),
        seed=0,
    )
    run("tokenize", [kept(), MinhashDedupFilter(places["removed"], writer), tokens])
    dropped = []
    for path in sorted(Path(places["dropped"]).rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            dropped += [json.loads(line)["id"] for line in file]
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    print(json.dumps({"seconds_by_step": seconds, "peak_megabytes": peak, "dropped": dropped}))


if __name__ == "__main__":
    main()
