"""Every program of the suite at every level that this machine has, by every account."""

from __future__ import annotations

import random
from collections import Counter

import expectations
import pytest

from multiturn.sandbox.isolation import IsolationLevel
from multiturn.sandbox.linux import landlock

pytestmark = pytest.mark.real

# The isolation levels that are used by default. The last one isolates nothing; see below.
ISOLATED = ("NAMESPACES", "SHARED_NAMESPACES", "LANDLOCK")
ACCOUNTS = ("root", "ordinary")
EACH = [(level, account) for level in ISOLATED for account in ACCOUNTS]
# The best level as root, and the last as an ordinary account; the other pairs are slow proofs.
FIRST = [("NAMESPACES", "root"), ("LANDLOCK", "ordinary")]


@pytest.mark.parametrize(
    ("level", "account"),
    [pytest.param(*each, marks=[] if each in FIRST else [pytest.mark.slow]) for each in EACH],
)
def test_the_suite_is_held(run_suite, level, account):
    seed = random.randrange(10**6)
    report = run_suite(level, account, "--seed", str(seed))
    assert not report["violations"], f"seed {seed}:\n" + "\n".join(report["violations"])
    assert report["ran"] > 100
    assert (report["uid"] == 0) == (account == "root")


@pytest.mark.parametrize("version", range(1, landlock.abi() + 1))
def test_each_version_of_landlock_holds_what_the_newest_holds(run_suite, version):
    """Older ones know fewer rights, so the filter has to refuse more."""
    report = run_suite(
        *("LANDLOCK", "ordinary", "--landlock", str(version)),
        *(
            "--only",
            "^(files|disk_(write|hard|sym|plant|dev)|network|signal_(kill|stop)|innocent_loc)",
        ),
    )
    assert not report["violations"], "\n".join(report["violations"])
    assert report["ran"] > 20


@pytest.mark.slow
def test_limits_alone_hold_what_they_claim(run_suite):
    """The last level contains what is not its declared gap; the rest does not run."""
    report = run_suite("LIMITS_ONLY", "own")
    assert not report["violations"], "\n".join(report["violations"])
    assert report["left_out"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("level", ISOLATED)
def test_three_times_in_random_order(run_suite, level, account):
    """In the same sandbox, so that the next round finds what one leaves."""
    report = run_suite(level, account, "--seed", "1", "--rounds", "3")
    assert not report["violations"], "\n".join(report["violations"])


def test_there_are_enough_programs_of_each_kind():
    kinds = Counter(program.kind for program in expectations.load_all())
    assert kinds["hostile"] + kinds["forgery"] >= 60
    assert kinds["innocent"] >= 25
    assert kinds["witness"] >= 2


def test_an_innocent_program_is_not_a_gap_of_the_best_level():
    for program in expectations.load_all():
        if program.kind == "innocent":
            assert IsolationLevel.NAMESPACES not in program.gaps, program.name


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("# tries: x\n# kind: hostile\n", "outcomes"),
        ("# tries: x\n# kind: nice\n# outcomes: finished\n", "none of"),
        (
            "# tries: x\n# kind: hostile\n# outcomes: finished\n# prnts: x\n",
            "not a line",
        ),
        ("# tries: x\n# kind: hostile\n# outcomes: done\n", "done"),
        ("# tries: x\n# kind: hostile\n# outcomes: finished\n# limits: cup=1\n", "cup"),
    ],
)
def test_a_slip_in_a_header_is_an_error(tmp_path, header, message):
    path = tmp_path / "program.py.txt"
    path.write_text(header + "pass\n")
    with pytest.raises(ValueError, match=message):
        expectations.load(path)
