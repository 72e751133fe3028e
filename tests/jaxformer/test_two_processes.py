"""Two real processes on loopback train as one, and as one process alone would."""

from __future__ import annotations

import concurrent.futures
import json
import socket
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from multiturn.core.records import to_plain
from multiturn.jaxformer.config import HostsConfig, MeshConfig, TrainConfig

PROGRAM = """
import json, sys
from multiturn.core.records import read_record
from multiturn.jaxformer.config import TrainConfig
from multiturn.jaxformer.run.train import main

print(main(read_record(json.loads(sys.argv[1]), TrainConfig, where="test")).status)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def last_loss(config: TrainConfig) -> float:
    lines = (config.directory / "metrics.jsonl").read_text().splitlines()
    return float([json.loads(line) for line in lines if "gradient_norm" in line][-1]["loss"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_as_one(tiny: TrainConfig, program: Any) -> None:
    # The first half by two processes of two devices each, the second by one of one device:
    # a checkpoint goes from one number of hosts to another.
    port = free_port()

    def part(process: int) -> Any:
        hosts = HostsConfig(processes=2, process=process, coordinator=f"127.0.0.1:{port}")
        mesh = MeshConfig(data=2, fsdp=2)
        config = replace(tiny, steps=6, hosts=hosts, mesh=mesh)
        return program(PROGRAM, json.dumps(to_plain(config)), devices=2, timeout=280)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(part, range(2)))
    for process in done:
        assert process.returncode == 0, process.stderr[-3000:]
        # Gloo, which carries CPU collectives, says on standard output who is connected.
        assert process.stdout.splitlines()[-1] == "finished"
    resumed = program(PROGRAM, json.dumps(to_plain(tiny)))
    assert "resumed at step 6 of 12" in resumed.stderr, resumed.stderr[-3000:]

    alone = replace(tiny, out=tiny.out + "-alone")
    assert program(PROGRAM, json.dumps(to_plain(alone))).returncode == 0
    np.testing.assert_allclose(last_loss(tiny), last_loss(alone), rtol=1e-5)
