"""The nouns: calls, policies, notices, segments. Plain frozen data that every room speaks."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way a call was set up, seen from the PBX."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class ConsentMode(StrEnum):
    """How a policy obtains the right to record (N7)."""

    IMPLIED = "implied"
    PROMPTED = "prompted"
    NONE_REQUIRED = "none-required"
    NEVER = "never"


class OnRefusal(StrEnum):
    """What becomes of the call, not of the recording, when the person refuses."""

    CONTINUE = "continue-unrecorded"
    END_CALL = "end-call"


class OnWithdrawal(StrEnum):
    """What becomes of the part recorded before a withdrawal (N3, GDPR Art. 7(3))."""

    KEEP = "keep"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Media:
    """One sound file that Asterisk plays.

    `path` is absolute and without extension, as Asterisk wants it; `sha256` is of the file's
    bytes, so that a call's record can say which audio was played (N12).
    """

    path: str
    sha256: str
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told, in one version and one language (N1, N2, N12).

    `information` says that the call is recorded; `question`, only for a prompt, asks for a key.
    """

    notice_id: str
    version: str
    language: str
    information: Media
    question: Media | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a policy is for. An empty tuple matches everything; DIDs may end in `*`."""

    direction: Direction | None = None
    did: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule: for which calls, how consent is obtained, and what may follow.

    `version` is a hash of everything the rule says, so a call's record names exactly the rule
    that held. Times are seconds, `retention_months` calendar months from the start of the call
    (N8). `withdrawal_keys` is the sequence a customer presses in mid-call.
    """

    name: str
    version: str
    match: Match
    mode: ConsentMode
    purposes: tuple[str, ...]
    legal_basis: str
    retention_months: int
    notice: Notice | None = None
    opt_out_keys: frozenset[str] = frozenset()
    grace_seconds: float = 0.5
    agree_key: str = "1"
    refuse_keys: frozenset[str] = frozenset({"2"})
    first_digit_timeout_seconds: float = 5.0
    overall_timeout_seconds: float = 30.0
    repeats: int = 1
    on_refusal: OnRefusal = OnRefusal.CONTINUE
    on_withdrawal: OnWithdrawal = OnWithdrawal.KEEP
    withdrawal_keys: str = "*9"
    agent_tone: bool = True


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when it reaches us.

    `channel_id` is the customer's own channel (ARI id = Uniqueid): the caller's inbound, the
    called party's outbound; recordings attach to it because it survives transfers
    (docs/asterisk.md). `number` is the customer's, as Asterisk gave it: untrusted text.
    """

    call_id: str
    direction: Direction
    channel_id: str
    linkedid: str
    did: str | None
    number: str | None
    endpoint: str
    context: str
    agent_channel_id: str | None = None
    agent_endpoint: str | None = None
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One MixMonitor run: a pair of wav files on the spool, flat names made from our own ids.

    `rx` is what came from the customer, `tx` what was sent to them. Times are Unix seconds;
    `stopped_at` is None while it runs.
    """

    number: int
    rx: str
    tx: str
    started_at: float
    stopped_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoppedRecording:
    """A recording that will not grow any more and waits to be sealed (or destroyed).

    `facts` is the JSON object of everything known before sealing: call, direction, parties,
    policy, notice, consent, purposes, legal basis; the sidecar carries it whole. Times are Unix
    seconds, `retention_until` an ISO 8601 UTC instant.
    """

    recording_id: str
    call_id: str
    facts: dict[str, object]
    segments: tuple[Segment, ...]
    started_at: float
    stopped_at: float
    stop_reason: str
    retention_until: str
    destroy: bool = False


@dataclass(frozen=True, slots=True)
class SealedRecording:
    """What sealing made of a recording; `path` is relative to the archive's root."""

    recording_id: str
    path: str
    sha256: str
    size_bytes: int
    duration_seconds: float
    marks: tuple[str, ...]
