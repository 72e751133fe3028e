"""What answers the load, each in a process of its own: two servers, and the engine without one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from serving.load import KEY, Answer, Load, Measured, measured, send

OURS, ENGINE, LLAMA = "multiturn", "its engine", "llama.cpp"
NAMES = (OURS, ENGINE, LLAMA)

CONTEXT = 1024
"""Tokens of the window of each client of llama.cpp's server."""

_BENCH = Path(__file__).resolve().parent.parent
_SERVE = "from multiturn.apps.cli.main import entry; entry()"
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Contestant:
    """A running process that answers loads; between its turns it is stopped.

    Args:
        process: its standard output says where it listens, or that it is ready.
        model: the name of its model.
        greeting: what its output has when it is ready; a group of it is a port.
    """

    def __init__(
        self, process: subprocess.Popen[str], model: str, greeting: re.Pattern[str]
    ) -> None:
        self._process = process
        self._model = model
        self._port: int | None = None
        assert process.stdout is not None
        output = ""
        while not (found := greeting.search(output)):
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"error: {process.args} does not start:\n{output}")
            output += line
        if found.groups():
            self._port = int(found[1])
        self.rest()

    def answer(self, load: Load) -> Measured:
        """Let it answer a load."""
        self._process.send_signal(signal.SIGCONT)
        before, started = self._cpu_seconds(), time.perf_counter()
        answers = self._answers(load)
        seconds, used = time.perf_counter() - started, self._cpu_seconds() - before
        self.rest()
        return measured(answers, seconds, used)

    def rest(self) -> None:
        """Stop it: threads that wait for work may spin."""
        self._process.send_signal(signal.SIGSTOP)

    def _answers(self, load: Load) -> list[Answer]:
        if self._port is not None:
            return send(load, self._port, self._model)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(load)) + "\n")
        self._process.stdin.flush()
        return [Answer(**each) for each in json.loads(self._process.stdout.readline())]

    def _cpu_seconds(self) -> float:
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)


@contextmanager
def contestant(
    name: str, model: Path, *, clients: int, threads: int, environment: dict[str, str]
) -> Iterator[Contestant]:
    """Start one of `NAMES`.

    Args:
        name: of the contestant.
        model: a GGUF file.
        clients: at once; llama.cpp's server has a slot for each.
        threads: of the computation.
        environment: variables besides the usual ones.
    """
    if name == OURS:
        command = ["-c", _SERVE, "serve", "--model", str(model), "--port", "0"]
    elif name == ENGINE:
        command = ["-m", "serving.contestants", ENGINE, str(model)]
    else:
        command = ["-m", "serving.contestants", LLAMA, str(model), str(clients)]
    process = subprocess.Popen(
        [sys.executable, *command, *(("--threads", str(threads)) if name == OURS else ())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={
            **os.environ, "PYTHONUNBUFFERED": "1", "MULTITURN_SERVER_TOKEN": KEY,
            "PYTHONPATH": str(_BENCH), "BENCH_THREADS": str(threads), **environment,
        },
    )  # fmt: skip
    ready = re.compile("ready") if name == ENGINE else _ADDRESS
    try:
        yield Contestant(process, model.name, ready)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def _be_llama(model: str, clients: str, threads: int) -> None:
    """Be llama.cpp's server, with a slot for each client."""
    from multiturn.hub.llama_cpp_library import import_xllamacpp

    xllamacpp = import_xllamacpp()
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_parallel = int(clients)
    params.n_ctx = CONTEXT * int(clients)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = int(clients) + 2
    params.fit_params = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


def _be_engine(model: str, threads: int) -> None:
    """Be the engine of this project, which answers loads from lines of JSON."""
    from multiturn.engines.open import open_engine
    from multiturn.engines.protocol import Completion, Request

    with open_engine(model, threads=threads) as engine:
        print("ready", flush=True)
        for line in sys.stdin:
            load = Load(**json.loads(line))

            def ask(text: str, tokens: int) -> Answer:
                started, first, count = time.perf_counter(), 0.0, 0
                request = Request(prompt=text, temperature=0, max_tokens=tokens)
                for event in engine.stream(request):
                    first = first or time.perf_counter() - started
                    if isinstance(event, Completion):
                        count = len(event.tokens)
                return Answer(first, time.perf_counter() - started, count)

            def client(number: int, load: Load = load) -> list[Answer]:
                return [ask(text, load.tokens) for text in load.prompts(number)]

            with ThreadPoolExecutor(load.clients) as pool:
                found = [
                    each for answers in pool.map(client, range(load.clients)) for each in answers
                ]
            print(json.dumps([asdict(each) for each in found]), flush=True)


if __name__ == "__main__":
    used_threads = int(os.environ["BENCH_THREADS"])
    if sys.argv[1] == ENGINE:
        _be_engine(sys.argv[2], used_threads)
    else:
        _be_llama(sys.argv[2], sys.argv[3], used_threads)
