"""What happened to a call: the inputs of the consent machine. Sister of `commands.py`.

Names are Asterisk's where Asterisk has one. Every failure of a command comes back as one of these:
the core has no exceptions to handle.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallEntered:
    """The customer's channel came to us (StasisStart). A second one is a re-entry."""


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A playback ended; `failed` when it was not played in full."""

    playback_id: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ChannelDtmfReceived:
    """The customer pressed a key; Asterisk reports it at the key's end."""

    digit: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time in `call.deadline` has come."""


@dataclass(frozen=True, slots=True)
class ChannelLeftStasis:
    """StasisEnd: the channel went on in the dialplan, by our `continue` or by another hand."""


@dataclass(frozen=True, slots=True)
class ChannelHangupRequest:
    """The customer's channel is about to go: what fails from now on fails because of it."""


@dataclass(frozen=True, slots=True)
class ChannelDestroyed:
    """The customer's channel is gone."""


@dataclass(frozen=True, slots=True)
class AgentHungUp:
    """The agent's channel was asked to hang up or is gone."""


@dataclass(frozen=True, slots=True)
class MixMonitorStarted:
    """MixMonitor runs and its files have been seen."""


@dataclass(frozen=True, slots=True)
class MixMonitorFailed:
    """No recording came of `StartMixMonitor`; nothing of it is left running."""

    reason: str


@dataclass(frozen=True, slots=True)
class MixMonitorStopped:
    """`StopMixMonitor` was confirmed, or nothing was left to stop."""


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn:
    """The customer withdrew consent (GDPR Art. 7(3)).

    `via` says by which door; `author` and `reason` who noted it and what was said, if anybody.
    """

    via: str
    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LedgerFailed:
    """The ledger did not take an entry that the next step depends on."""


@dataclass(frozen=True, slots=True)
class AsteriskFailed:
    """Asterisk refused or did not answer a command."""

    command: str


@dataclass(frozen=True, slots=True)
class AsteriskLost:
    """Keys and hang-ups may be missed from now on: the link went down, or the daemon stops."""

    reason: str = "asterisk_lost"


Event = (
    CallEntered
    | PlaybackFinished
    | ChannelDtmfReceived
    | DeadlinePassed
    | ChannelLeftStasis
    | ChannelHangupRequest
    | ChannelDestroyed
    | AgentHungUp
    | MixMonitorStarted
    | MixMonitorFailed
    | MixMonitorStopped
    | ConsentWithdrawn
    | LedgerFailed
    | AsteriskFailed
    | AsteriskLost
)
