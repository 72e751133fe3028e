from .events import (
    CandidateRan as CandidateRan,
)
from .events import (
    CandidateWritten as CandidateWritten,
)
from .events import (
    HistoryDropped as HistoryDropped,
)
from .events import (
    LoopEvent as LoopEvent,
)
from .events import (
    Retrying as Retrying,
)
from .events import (
    TextWritten as TextWritten,
)
from .events import (
    TurnCancelled as TurnCancelled,
)
from .events import (
    TurnSaved as TurnSaved,
)
from .export import export_session as export_session
from .imports import read_specifications as read_specifications
from .loop import Synthesizer as Synthesizer
from .run_specification import (
    SpecificationDone as SpecificationDone,
)
from .run_specification import (
    SpecificationEvent as SpecificationEvent,
)
from .run_specification import (
    SpecificationResult as SpecificationResult,
)
from .run_specification import (
    run_specification as run_specification,
)
from .session import (
    Candidate as Candidate,
)
from .session import (
    Example as Example,
)
from .session import (
    Run as Run,
)
from .session import (
    Sampling as Sampling,
)
from .session import (
    Session as Session,
)
from .session import (
    SessionSettings as SessionSettings,
)
from .session import (
    Turn as Turn,
)
from .specification import Specification as Specification
from .store import SessionStore as SessionStore
from .store import SessionSummary as SessionSummary

__all__ = [
    "Candidate",
    "CandidateRan",
    "CandidateWritten",
    "Example",
    "export_session",
    "HistoryDropped",
    "LoopEvent",
    "read_specifications",
    "Retrying",
    "Run",
    "run_specification",
    "Sampling",
    "Session",
    "SessionSettings",
    "SessionStore",
    "SessionSummary",
    "Specification",
    "SpecificationDone",
    "SpecificationEvent",
    "SpecificationResult",
    "Synthesizer",
    "TextWritten",
    "Turn",
    "TurnCancelled",
    "TurnSaved",
]
