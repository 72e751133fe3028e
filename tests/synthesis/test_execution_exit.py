"""A program that exits with 0 has come to its normal end, with its output and its values."""

from __future__ import annotations

import pytest

from multiturn.sandbox.open import open_sandbox
from multiturn.sandbox.outcomes import Status
from multiturn.sandbox.protocol import Limits
from multiturn.synthesis.execution import run_programs
from multiturn.synthesis.records import Example

EXAMPLES = [Example(expected=[1, 2]), Example(expected=6, expression="double(3)  # twice")]
HEAD = "import sys\ndef double(x):\n    return 2 * x\ndef main():\n    print([1, 2])\n    return "


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("0\nsys.exit(main())", Status.FINISHED),
        ("None\nif __name__ == '__main__':\n    sys.exit(main())", Status.FINISHED),
        ("None\nmain()\nexit()", Status.FINISHED),
        ("sys.exit()\nmain()", Status.FINISHED),
        ("1\nsys.exit(main())", Status.EARLY_EXIT),
        ("0\nmain()\nimport os\nos._exit(0)", Status.EARLY_EXIT),
    ],
)
def test_exit_codes(end: str, status: Status) -> None:
    with open_sandbox(workers=1) as sandbox:
        (ran,) = run_programs(sandbox, [HEAD + end], EXAMPLES, Limits(cpu_seconds=5))
    assert ran.run.outcome.status is status
    assert ran.examples_passed == (status is Status.FINISHED,) * 2
