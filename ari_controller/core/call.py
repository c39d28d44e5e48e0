"""One call as the consent machine sees it: a frozen value."""

from dataclasses import dataclass
from enum import StrEnum

from ari_controller.core.model import CallFacts, Policy


class Phase(StrEnum):
    """Where a call stands."""

    NEW = "new"
    INFORMATION = "information"
    GRACE = "grace"
    QUESTION = "question"
    ANSWER = "answer"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    UNRECORDED = "unrecorded"
    ENDED = "ended"


ASKING = (Phase.INFORMATION, Phase.GRACE, Phase.QUESTION, Phase.ANSWER)
OPEN = (Phase.NEW, *ASKING, Phase.STARTING, Phase.RECORDING, Phase.STOPPING, Phase.UNRECORDED)


class Outcome(StrEnum):
    """What became of the call, as far as recording goes; every call ends with exactly one."""

    RECORDED = "recorded"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    NOT_RECORDED = "not_recorded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the machine sees it.

    `deadline` is when it wants to be woken (Unix seconds). `bar` says why no policy applies:
    the do-not-record register (N4) or no matching rule. `let_go` says that we sent the channel on.
    """

    facts: CallFacts
    policy: Policy | None
    bar: str = ""
    phase: Phase = Phase.NEW
    deadline: float | None = None
    overall_deadline: float | None = None
    in_stasis: bool = False
    playbacks: int = 0
    playing_since: float | None = None
    asked: int = 0
    keys: str = ""
    let_go: bool = False
    withdrawal_noted: bool = False
    withdrawal_author: str = ""
    withdrawal_reason: str = ""
    outcome: Outcome = Outcome.FAILED
    reason: str = ""

    @property
    def playback_id(self) -> str:
        """The id of the latest playback, chosen by us so that no event can precede it."""
        return f"{self.facts.call_id}.{self.playbacks}"
