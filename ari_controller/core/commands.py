"""What must be done for a call: the outputs of the consent machine. Sister of `events.py`.

The dispatcher carries commands out in order and stops at the first that fails.
"""

from dataclasses import dataclass

from ari_controller.core.ledger import Statement
from ari_controller.core.model import Media


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for a channel's events until it ends, in Stasis and out of it."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class ArmTimeout:
    """Re-arm the dead-man's switch: the channel goes on by itself after `seconds` of silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Play:
    """Play to the customer, under an id chosen by us."""

    playback_id: str
    media: Media


@dataclass(frozen=True, slots=True)
class StopPlayback:
    """Stop a playback; that it is over already is no failure."""

    playback_id: str


@dataclass(frozen=True, slots=True)
class AppendLedger:
    """Write a fact and wait until it is durable: what follows depends on it."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class NoteInLedger:
    """Write a fact as soon as the store takes it: nothing waits for it, and it never fails."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class StartMixMonitor:
    """Start recording and see the files: comes back as MixMonitorStarted or MixMonitorFailed."""


@dataclass(frozen=True, slots=True)
class StopMixMonitor:
    """Stop recording: comes back as MixMonitorStopped or AsteriskFailed."""


@dataclass(frozen=True, slots=True)
class FinishRecording:
    """The recording will not grow any more: hand it to sealing, or to destruction."""

    reason: str
    destroy: bool


@dataclass(frozen=True, slots=True)
class ContinueInDialplan:
    """Let the customer's channel go on; the dialplan reads the two results."""

    recorded: bool
    result: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the customer's channel."""


@dataclass(frozen=True, slots=True)
class TellAgent:
    """Play the agent, and nobody else, the tone that says recorded or not recorded."""

    recorded: bool


@dataclass(frozen=True, slots=True)
class EndCall:
    """Nothing more will come of this call."""

    outcome: str
    reason: str


Command = (
    Subscribe
    | ArmTimeout
    | Play
    | StopPlayback
    | AppendLedger
    | NoteInLedger
    | StartMixMonitor
    | StopMixMonitor
    | FinishRecording
    | ContinueInDialplan
    | HangUp
    | TellAgent
    | EndCall
)
