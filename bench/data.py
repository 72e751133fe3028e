"""Filter, deduplicate, tokenize and pack, in MB a second on one core, beside datatrove.

    python bench/data.py --peer PYTHON --out bench/results/data.json
    python bench/data.py --quick --peer PYTHON
    python bench/data.py --scale --out bench/results/data-scale.json       # takes minutes

PYTHON is an interpreter of an environment with ``datatrove[processing]==0.10.1``, spacy,
pyarrow and tokenizers. Both read the same Parquet file of Python sources from this machine, in
which some are planted again with a few lines changed, and do the paper's filters, MinHash of
14 bands with 8 rows over runs of 5 tokens, and byte-level BPE with the same vocabulary. This
project also finds exact duplicates, packs rows and keeps the way back; datatrove does not pack.
Each runs in a process of its own; seconds are the processor's, which other load on the machine
stretches far less than the clock's. With `--repeats` the sides take turns, and the medians are
compared. A planted pair counts as found when one of the two is dropped.

With `--scale`, only this project, at 10 MB to 1 GB: speed and the most memory it held.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from multiturn.data.build.executors.local import SequentialExecutor
from multiturn.data.build.pipeline import build
from multiturn.data.build.progress import BuildProgress
from multiturn.data.build.stage import document_files
from multiturn.data.dedup.minhash import MinHash
from multiturn.data.dedup.stage import Deduplicate
from multiturn.data.documents.files import read_columns
from multiturn.data.filters.lines import LineStatistics
from multiturn.data.filters.text import ValidText
from multiturn.data.packing.stage import Pack
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.parquet import Parquet
from multiturn.text.tokenizers_codegen import train_tokenizer

BENCH = Path(__file__).parent
PLANTED = "planted:"
_WORD = re.compile(rb"\b[A-Za-z_]{4,}\b")


def main() -> None:
    """Make the corpus, run each side, say what came out."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(run_here(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peer", help="the Python that has datatrove; none leaves it out")
    parser.add_argument("--mb", type=int, default=100, help="of text")
    parser.add_argument("--quick", action="store_true", help="5 MB")
    parser.add_argument("--repeats", type=int, default=1, help="of each side")
    parser.add_argument("--scale", action="store_true", help="10 MB to 1 GB")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10, 30, 100, 300, 1000], help="of --scale, in MB"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="multiturn-bench-") as name:
        work = Path(name)
        result = (
            scale(work, options.sizes)
            if options.scale
            else compare(work, 5 if options.quick else options.mb, options.peer, options.repeats)
        )
    result["machine"] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)


def compare(work: Path, megabytes: int, peer: str | None, repeats: int) -> dict[str, Any]:
    """Both sides on one corpus, in turns."""
    given = work / "given"
    planted, size = make_corpus(given, megabytes * 1_000_000, plant=True)
    tokenizer = make_tokenizer(given, work / "tokenizer")
    sides = {"multiturn": [sys.executable, __file__, "--child", str(given), "OUT", str(tokenizer)]}
    if peer:
        script, json_file = str(BENCH / "data_datatrove.py"), str(tokenizer / "tokenizer.json")
        sides["datatrove"] = [peer, script, str(given), "OUT", json_file]
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, command in sides.items():
            with tempfile.TemporaryDirectory(dir=work) as out:
                report = run_side([out if word == "OUT" else word for word in command])
            dropped = set(report.pop("dropped"))
            found = sum(1 for copy, original in planted.items() if {copy, original} & dropped)
            runs[side].append({**report, "recall": found / len(planted), "dropped": len(dropped)})
            print(side, json.dumps(runs[side][-1]), file=sys.stderr, flush=True)
    result: dict[str, Any] = {"megabytes": size / 1e6, "planted": len(planted), "sides": {}}
    for side, done in runs.items():
        seconds = statistics.median(run["processor_seconds"] for run in done)
        result["sides"][side] = {"megabytes_a_second": size / 1e6 / seconds, "runs": done}
    if peer:
        own, other = result["sides"]["multiturn"], result["sides"]["datatrove"]
        result["times_as_fast"] = own["megabytes_a_second"] / other["megabytes_a_second"]
    return result


def scale(work: Path, sizes: list[int]) -> dict[str, Any]:
    """What this project takes alone, at growing sizes."""
    rows = []
    tokenizer = None
    for megabytes in sizes:
        given = work / f"given-{megabytes}"
        _, size = make_corpus(given, megabytes * 1_000_000, plant=False)
        tokenizer = tokenizer or make_tokenizer(given, work / "tokenizer")
        with tempfile.TemporaryDirectory(dir=work) as out:
            report = run_side(
                [sys.executable, __file__, "--child", str(given), out, str(tokenizer)]
            )
        shutil.rmtree(given)
        del report["dropped"]
        speed = size / 1e6 / report["processor_seconds"]
        rows.append({"megabytes": size / 1e6, "megabytes_a_second": speed, **report})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return {"scale": rows}


def run_here(given: Path, work: Path, tokenizer: Path) -> dict[str, Any]:
    """The build, as any other, in this process."""
    seconds: dict[str, float] = {}
    last = time.process_time()

    def listen(progress: BuildProgress) -> None:
        nonlocal last
        now = time.process_time()
        seconds[progress.stage] = seconds.get(progress.stage, 0.0) + now - last
        last = now

    recipe = CorpusRecipe(
        name="bench",
        sources=(Parquet(paths=(f"{given}/*.parquet",), content="text", fields={"path": "id"}),),
        steps=(ValidText(), LineStatistics()),
        stages=(Deduplicate(near=MinHash()), Pack(tokenizer=tokenizer)),
    )
    build(
        recipe, work, executor=SequentialExecutor(), downloads=work / "downloads", progress=listen
    )
    paths = {
        stage: {
            path
            for file in document_files(work / stage)
            for (path,) in read_columns(file, ["path"])
        }
        for stage in ("documents", "deduplicated")
    }
    return {
        "seconds_by_step": seconds,
        "peak_megabytes": peak_megabytes(),
        "dropped": sorted(paths["documents"] - paths["deduplicated"]),
    }


def peak_megabytes() -> float:
    """The most memory that this process held. What `getrusage` says counts its parent in."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def run_side(command: list[str]) -> dict[str, Any]:
    """What it printed last, and the processor seconds of it all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    out, error = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[1]} failed:\n{error.decode()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"processor_seconds": spent, **json.loads(out.decode().splitlines()[-1])}


def make_corpus(folder: Path, wanted: int, *, plant: bool) -> tuple[dict[str, str], int]:
    """Python sources of this machine as Parquet, 16 MB a file; again with other names when
    there are not enough. One in 20 is planted again, changed a little.
    """
    folder.mkdir(parents=True)
    planted: dict[str, str] = {}
    rows: list[tuple[str, str]] = []
    size = held = files = 0

    def write() -> None:
        nonlocal rows, held, files
        table = pyarrow.table({"id": [row[0] for row in rows], "text": [row[1] for row in rows]})
        pyarrow.parquet.write_table(table, folder / f"{files:04d}.parquet")
        rows, held, files = [], 0, files + 1

    rng = random.Random(0)
    for name, text in sources():
        texts = {name: text}
        if plant and rng.random() < 0.05 and text.count("\n") >= 40:
            texts[f"{PLANTED}{name}"] = changed(text, rng)
            planted[f"{PLANTED}{name}"] = name
        for key, value in texts.items():
            rows.append((key, value))
            size += len(value.encode())
            held += len(value)
        if held >= 16_000_000:
            write()
        if size >= wanted:
            break
    if rows:
        write()
    return planted, size


def sources() -> Iterator[tuple[str, str]]:
    """Name and text of the machine's Python files, without end: later rounds rename words."""
    places = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")]
    paths = sorted({path for place in places for path in Path(place).rglob("*.py")})
    random.Random(1).shuffle(paths)
    round_ = 0
    while True:
        suffix = b"_%d" % round_
        for path in paths:
            content = path.read_bytes()
            if not 200 <= len(content) <= 1_000_000:
                continue
            if round_:
                content = _WORD.sub(lambda word, suffix=suffix: word[0] + suffix, content)
            try:
                yield f"{round_}:{path}", content.decode("utf-8")
            except UnicodeDecodeError:
                continue
        round_ += 1


def changed(text: str, rng: random.Random) -> str:
    """1 to 6 of a hundred lines deleted, doubled, or given another name in them."""
    share = rng.uniform(0.01, 0.06)
    lines = []
    for line in text.split("\n"):
        how = rng.random() if rng.random() < share else 1.0
        if how < 0.33:
            continue
        lines.append(line)
        if how < 0.66:
            lines.append(line)
        elif how < 1.0:
            lines[-1] = line.replace("self", "this").replace("=", "= 0 +")
    return "\n".join(lines)


def make_tokenizer(given: Path, folder: Path) -> Path:
    """A vocabulary of 32,768 from the first file."""
    folder.mkdir()
    table = pyarrow.parquet.read_table(sorted(given.glob("*.parquet"))[0])
    train_tokenizer(
        table["text"].to_pylist()[:1000], 32_768 if table.num_rows > 1000 else 4096
    ).save(folder)
    return folder


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
