from .fake import FakeSandbox as FakeSandbox
from .open import open_sandbox as open_sandbox
from .oracle import (
    Judgement as Judgement,
)
from .oracle import (
    Verdict as Verdict,
)
from .oracle import (
    check_stdout as check_stdout,
)
from .oracle import (
    check_value as check_value,
)
from .oracle_tests import check_tests as check_tests
from .outcomes import Outcome as Outcome
from .outcomes import Rung as Rung
from .outcomes import RunResult as RunResult
from .outcomes import Status as Status
from .protocol import (
    Candidate as Candidate,
)
from .protocol import (
    Limits as Limits,
)
from .protocol import (
    Program as Program,
)
from .protocol import (
    Sandbox as Sandbox,
)

__all__ = [
    "Candidate",
    "check_stdout",
    "check_tests",
    "check_value",
    "FakeSandbox",
    "Judgement",
    "Limits",
    "open_sandbox",
    "Outcome",
    "Program",
    "Rung",
    "RunResult",
    "Sandbox",
    "Status",
    "Verdict",
]
