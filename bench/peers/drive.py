"""Choosing each peer's best setting, and measuring all of them in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from peers.jobs import Job, Model, Setting
from peers.process import BENCH, PeerFailedError, PeerProcess
from peers.roster import PEERS, Peer, find, missing_packages, versions

Record = dict[str, Any]

_PREPARING = 900.0
"""Seconds; converting a model happens once and is not measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of work for all peers.

    Attributes:
        name: in the results.
        count: sequences.
        search: what settings are compared by.
        jobs: what is measured with the best of them, by name.
    """

    name: str
    count: int
    search: Job
    jobs: Mapping[str, Job]


@dataclass
class Race:
    """Runs cases and collects what is to be recorded.

    Attributes:
        model: the weights.
        names: of the peers, the one that others are held against first.
        threads: each may use.
        limit: seconds that one run may take; beyond it the peer has failed the case.
        measure: of a job and its seconds, the speed: tokens a second of some kind.
        say: called with lines of progress.
        only: for some peers, a part of the name of the settings to try.
        environment: variables of all peers; see `peers.processor_cap`.
    """

    model: Model
    names: list[str]
    threads: int
    limit: float
    measure: Callable[[Job, list[int], float], float]
    say: Callable[[str], None] = print
    only: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    peers: dict[str, Record] = field(default_factory=dict)

    def prepare(self) -> None:
        """Leave out what is not installed, convert the weights for the rest."""
        for name in list(self.names):
            peer = find(name)
            record: Record = {"title": peer.TITLE, "versions": versions(peer), "cases": []}
            self.peers[name] = record
            if missing := missing_packages(peer):
                record["failed"] = f"not installed: {', '.join(missing)}"
            elif not peer.settings(self.model, 1):
                record["failed"] = f"does not take {self.model.name}"
            else:
                try:
                    with self._process(name, peer, None) as process:
                        request = {"do": "prepare", "model": _plain(self.model)}
                        record["prepared"] = process.ask(request, limit=_PREPARING)
                except PeerFailedError as error:
                    record["failed"] = str(error)
            if "failed" in record:
                self.say(f"{peer.TITLE} is left out: {record['failed']}")
                self.names.remove(name)

    def run(self, case: Case, repeats: int) -> None:
        """Find the best settings for a case, then measure its jobs `repeats` times in turn."""
        chosen = {name: self._choose(name, case) for name in self.names}
        with ExitStack() as stack:
            running: dict[str, PeerProcess] = {}
            for name, (setting, record) in chosen.items():
                if setting is None:
                    continue
                try:
                    process = stack.enter_context(self._loaded(name, setting, record))
                    # Once without a clock: compiles, fills caches.
                    _run(process, case.search, self.limit)
                    process.pause()
                    running[name] = process
                except PeerFailedError as error:
                    record["failed"] = str(error)
            for title, job in case.jobs.items():
                self._measure(case, title, job, repeats, running, chosen)

    def _measure(
        self,
        case: Case,
        title: str,
        job: Job,
        repeats: int,
        running: dict[str, PeerProcess],
        chosen: Mapping[str, tuple[Setting | None, Record]],
    ) -> None:
        speeds: dict[str, list[float]] = {name: [] for name in running}
        work: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(repeats):
            for name, process in list(running.items()):
                process.resume()
                try:
                    done = _run(process, job, self.limit)
                except PeerFailedError as error:
                    chosen[name][1].setdefault("jobs", {})[title] = {"failed": str(error)}
                    del running[name]
                    continue
                process.pause()
                speed = self._speed(job, done)
                speeds[name].append(speed)
                work[name].append(done["cpu_seconds"] / (speed * done["seconds"]))
                chosen[name][1]["peak_bytes"] = process.peak_bytes
        first = speeds.get(self.names[0], []) if self.names else []
        for name in running:
            found = speeds[name]
            # Each against the first in the same round, which other work on the machine met too.
            ratios = [a / b for a, b in zip(found, first, strict=False)]
            record = {
                "tokens_per_second": statistics.median(found),
                "all": found,
                "ratio_to_first": statistics.median(ratios) if ratios else None,
                # Hardly depends on what else the machine does, unless threads spin.
                "cpu_seconds_per_token": statistics.median(work[name]),
            }
            chosen[name][1].setdefault("jobs", {})[title] = record
            self.say(
                f"{case.name}, {title}: {self.peers[name]['title']} {statistics.median(found):.1f}"
            )

    def _speed(self, job: Job, done: Record) -> float:
        return self.measure(job, done["new_tokens"], done["seconds"])

    def _choose(self, name: str, case: Case) -> tuple[Setting | None, Record]:
        """The fastest setting for a case; a single one needs no search."""
        part = self.only.get(name, "")
        settings = [
            setting
            for setting in find(name).settings(self.model, case.count)
            if part in setting.name
        ]
        record: Record = {"case": case.name, "count": case.count, "tried": []}
        self.peers[name]["cases"].append(record)
        if len(settings) == 1:
            return settings[0], record
        if not settings:
            record["failed"] = f"no setting has {part!r} in its name"
            return None, record
        best, fastest = None, 0.0
        for setting in settings:
            tried: Record = {"setting": setting.name}
            record["tried"].append(tried)
            try:
                with self._loaded(name, setting, {}) as process:
                    _run(process, case.search, self.limit)
                    done = _run(process, case.search, self.limit)
            except PeerFailedError as error:
                tried["failed"] = str(error)
                continue
            tried["tokens_per_second"] = self._speed(case.search, done)
            if tried["tokens_per_second"] > fastest:
                best, fastest = setting, tried["tokens_per_second"]
        if best is None:
            record["failed"] = f"no setting works: {record['tried'][0]['failed']}"
        return best, record

    @contextmanager
    def _loaded(self, name: str, setting: Setting, record: Record) -> Iterator[PeerProcess]:
        with self._process(name, find(name), setting) as process:
            request = {
                "do": "load",
                "model": _plain(self.model),
                "setting": asdict(setting),
                "threads": self.threads,
            }
            answer = process.ask(request, limit=self.limit)
            record |= {
                "setting": setting.name,
                "load_seconds": answer["seconds"],
                "instructions": answer["instructions"],
            }
            yield process

    @contextmanager
    def _process(self, name: str, peer: Peer, setting: Setting | None) -> Iterator[PeerProcess]:
        more = {**self.environment, **(peer.environment(setting) if setting else {})}
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            with PeerProcess(name, threads=self.threads, log=log, environment=more) as process:
                yield process


def measure_bounds(model: Model, rows: int, threads: int, environment: Mapping[str, str]) -> Record:
    """What the machine allows for `rows` rows at a time; see `peers.bounds`."""
    arguments = [rows, *model.matrix, threads]
    answer = subprocess.run(
        [sys.executable, "-m", "peers.bounds", *map(str, arguments)],
        cwd=BENCH,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    measured: Record = json.loads(answer.stdout.splitlines()[-1])
    return measured


def chosen_peers(text: str) -> list[str]:
    """The names of ``--peers``, each once, those of `PEERS` first and in that order.

    A name with a dot is a module of one's own with the functions of `roster.Peer`.

    Raises:
        SystemExit: a name that is none.
    """
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    own = [name for name in names if "." in name]
    if strange := [name for name in names if name not in PEERS and name not in own]:
        raise SystemExit(
            f"error: no such peer: got {', '.join(strange)}; allowed: {', '.join(PEERS)}"
        )
    return [name for name in PEERS if name in names] + own


def named_part(text: str) -> tuple[str, str]:
    """``jax=int8`` of ``--setting`` as its two parts.

    Raises:
        SystemExit: it is no such pair, or names no peer.
    """
    name, equals, part = text.partition("=")
    if not equals or not chosen_peers(name):
        raise SystemExit(
            f"error: no setting of a peer: got {text!r}; allowed: PEER=PART OF ITS SETTING'S NAME"
        )
    return name, part


def _run(process: PeerProcess, job: Job, limit: float) -> Record:
    return process.ask({"do": "run", "job": asdict(job)}, limit=limit)


def _plain(model: Model) -> Record:
    return {**asdict(model), "directory": str(model.directory), "gguf": str(model.gguf)}
