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
from .loop import Synthesizer as Synthesizer
from .records import (
    Candidate as Candidate,
)
from .records import (
    Example as Example,
)
from .records import (
    ProgramRun as ProgramRun,
)
from .records import (
    Sampling as Sampling,
)
from .records import (
    Session as Session,
)
from .records import (
    SessionSettings as SessionSettings,
)
from .records import (
    Turn as Turn,
)
from .specification import Specification as Specification
from .specification_files import read_specifications as read_specifications
from .specification_runner import (
    SpecificationDone as SpecificationDone,
)
from .specification_runner import (
    SpecificationEvent as SpecificationEvent,
)
from .specification_runner import (
    SpecificationResult as SpecificationResult,
)
from .specification_runner import (
    run_specification as run_specification,
)
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
    "ProgramRun",
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
