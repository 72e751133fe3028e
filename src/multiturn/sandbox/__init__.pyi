from .fake import FakeSandbox as FakeSandbox
from .isolation import IsolationLevel as IsolationLevel
from .open import open_sandbox as open_sandbox
from .oracles.unit_tests import check_tests as check_tests
from .oracles.verdicts import (
    Judgement as Judgement,
)
from .oracles.verdicts import (
    Verdict as Verdict,
)
from .oracles.verdicts import (
    check_stdout as check_stdout,
)
from .oracles.verdicts import (
    check_value as check_value,
)
from .outcomes import Outcome as Outcome
from .outcomes import RunResult as RunResult
from .outcomes import Status as Status
from .protocol import (
    Limits as Limits,
)
from .protocol import (
    Program as Program,
)
from .protocol import (
    ProgramSession as ProgramSession,
)
from .protocol import (
    Sandbox as Sandbox,
)

__all__ = [
    "ProgramSession",
    "check_stdout",
    "check_tests",
    "check_value",
    "FakeSandbox",
    "Judgement",
    "Limits",
    "open_sandbox",
    "Outcome",
    "Program",
    "IsolationLevel",
    "RunResult",
    "Sandbox",
    "Status",
    "Verdict",
]
