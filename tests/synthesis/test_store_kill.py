"""A real process that writes turns is killed at random moments, over and over."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from multiturn.synthesis.records import SessionSettings
from multiturn.synthesis.store import SessionStore

WRITER = """
import pathlib, sys
from multiturn.synthesis.records import Candidate
from multiturn.synthesis.store import SessionStore

store = SessionStore(pathlib.Path(sys.argv[1]))
session = store.load(sys.argv[2])
number = 0
while True:
    number += 1
    code = f"x = {number}\\n" * 400
    if number % 3 and session.current is not None:
        session = store.add_candidates(session, session.current, [Candidate(text=code)], chosen=0)
    else:
        session = store.add_turn(session, f"Turn {number}.", [Candidate(text=code)], chosen=0)
    # Shown only after it is saved: whatever stands here must be there after a kill.
    print(f'["{session.current}", {len(session.turn.candidates)}]', flush=True)
"""


def kill_at_random(tmp_path, rounds: int) -> None:
    path = tmp_path / "sessions.sqlite3"
    with SessionStore(path) as store:
        session = store.create(
            name=None, model="m", style="chat", header="", settings=SessionSettings()
        )
    chance = random.Random(20220325)
    acknowledged: dict[int, int] = {}
    changes = 0
    for _ in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), session.id], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        writer.kill()
        rest, _ = writer.communicate(timeout=300)
        assert writer.returncode == -signal.SIGKILL
        for line in (first + rest).split("\n")[:-1]:
            changes += 1
            turn, candidates = json.loads(line)
            acknowledged[int(turn)] = candidates
        with SessionStore(path) as store:
            store.check()
            saved = store.load(session.id)
        for turn_id, candidates in acknowledged.items():
            assert len(saved.turns[turn_id].candidates) >= candidates
        # Beyond the acknowledged changes there is at most the one in progress.
        assert len(saved.turns) <= len(acknowledged) + 1
        for turn_id in saved.turns.keys() - acknowledged.keys():
            acknowledged[turn_id] = len(saved.turns[turn_id].candidates)
    assert changes >= rounds


def test_killed_at_any_moment_all_that_was_shown_is_there(tmp_path):
    kill_at_random(tmp_path, rounds=6)


@pytest.mark.slow
def test_killed_two_hundred_times(tmp_path):
    kill_at_random(tmp_path, rounds=200)
