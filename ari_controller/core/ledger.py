"""The ledger's chain: what an entry is, how it is hashed, how a chain of them is proven.

The format is written down byte by byte in docs/ledger.md; `verifier/verify_ledger.py` implements
that page a second time, without this module.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

ENTRY_PREFIX = b"ari-controller ledger entry v1\n"
ROW_PREFIX = b"ari-controller ledger row v1\n"
GENESIS = "0" * 64
MIN_SALT_BYTES = 16
MAX_SALT_BYTES = 32
# Beyond this, other languages' JSON parsers do not read an integer exactly.
_MAX_INTEGER = 2**53 - 1
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class Fact(StrEnum):
    """What an entry says happened."""

    CALL_ENTERED = "call_entered"
    NOTICE_PLAYED = "notice_played"
    CONSENT_GIVEN = "consent_given"
    CONSENT_REFUSED = "consent_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    RECORDING_PERMITTED = "recording_permitted"
    NOT_RECORDED = "not_recorded"
    RECORDING_STARTED = "recording_started"
    RECORDING_FAILED = "recording_failed"
    RECORDING_STOPPED = "recording_stopped"
    RECORDING_SEALED = "recording_sealed"
    RECORDING_DESTROYED = "recording_destroyed"
    CALL_ENDED = "call_ended"
    DAEMON_STARTED = "daemon_started"
    DAEMON_STOPPED = "daemon_stopped"


ALLOWING = frozenset({Fact.CONSENT_GIVEN, Fact.RECORDING_PERMITTED})
FORBIDDING = frozenset({Fact.CONSENT_REFUSED, Fact.CONSENT_WITHDRAWN})


class Broken(ValueError):
    """The chain does not hold: at entry `seq`, because of `why`."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"ledger entry {seq}: {why}")
        self.seq = seq
        self.why = why


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact to be written down.

    `public` stays for ever and names nobody (policy, notice version, mode, key, reason);
    `personal` (numbers, channel ids, agent) is erasable and enters the chain only as a salted
    commitment. Both are JSON objects without floats.
    """

    fact: Fact
    call_id: str | None
    recording_id: str | None
    public: Mapping[str, object]
    personal: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain.

    `seq` counts from 1 without gaps, `at` is ISO 8601 UTC with microseconds and `Z`, `commitment`
    is None where nothing personal belongs to the entry, `prev` and `hash` are lower-case hex.
    """

    seq: int
    at: str
    fact: str
    call_id: str | None
    recording_id: str | None
    public: Mapping[str, object]
    commitment: str | None
    prev: str
    hash: str


def next_entry(head: Entry | None, statement: Statement, at: str, salt: bytes) -> Entry:
    """Return the entry that follows `head` (None: the first one); raise ValueError on bad input."""
    if not _INSTANT.fullmatch(at):
        raise ValueError(f"{at!r} is not an ISO 8601 UTC instant with microseconds and 'Z'")
    entry = Entry(
        seq=1 if head is None else head.seq + 1,
        at=at,
        fact=statement.fact.value,
        call_id=statement.call_id,
        recording_id=statement.recording_id,
        public=dict(statement.public),
        commitment=commitment(salt, statement.personal) if statement.personal else None,
        prev=GENESIS if head is None else head.hash,
        hash="",
    )
    return replace(entry, hash=_hash(entry))


def verify(entries: Iterable[Entry], known_head: str | None = None) -> int:
    """Return how many entries the chain has; raise Broken at the first that does not hold.

    `entries` are all of them, in order. `known_head` is the hash of a head taken earlier and kept
    elsewhere: it must occur. Only so are entries found that were cut off at the end.
    """
    count, prev = 0, GENESIS
    found = known_head in (None, GENESIS)
    for entry in entries:
        _check(entry, count + 1, prev)
        count, prev = count + 1, entry.hash
        found = found or prev == known_head
    if not found:
        raise Broken(count, "is the last one, and the head known from elsewhere has not occurred")
    return count


def check_commitment(entry: Entry, salt: bytes, personal: Mapping[str, object]) -> bool:
    """Tell whether a personal row and its salt are those that the entry commits to."""
    try:
        return entry.commitment == commitment(salt, personal)
    except ValueError:
        return False


def commitment(salt: bytes, personal: Mapping[str, object]) -> str:
    """Return SHA-256(prefix, salt, canonical JSON) in hex; raise ValueError on bad input."""
    if not MIN_SALT_BYTES <= len(salt) <= MAX_SALT_BYTES:
        raise ValueError(f"a salt has {MIN_SALT_BYTES} to {MAX_SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(ROW_PREFIX + salt + canonical_json(personal)).hexdigest()


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Return the one encoding of a JSON object: sorted keys, no spaces, UTF-8.

    Raise ValueError for what has no single encoding everywhere: floats, integers beyond 2**53,
    lone surrogates, keys that are not strings.
    """
    plain = dict(value)
    _require_plain(plain)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def instant(unix_seconds: float) -> str:
    """Return an ISO 8601 UTC instant with microseconds and `Z`."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _check(entry: Entry, seq: int, prev: str) -> None:
    if entry.seq != seq:
        raise Broken(seq, f"missing; entry {entry.seq} stands in its place")
    if entry.prev != prev:
        raise Broken(seq, "does not follow from the entry before it")
    if not _INSTANT.fullmatch(entry.at):
        raise Broken(seq, "its time is not in the ledger's format")
    if entry.commitment is not None and not _SHA256_HEX.fullmatch(entry.commitment):
        raise Broken(seq, "its commitment is not a SHA-256 in hex")
    try:
        digest = _hash(entry)
    except ValueError as error:
        raise Broken(seq, str(error)) from error
    if entry.hash != digest:
        raise Broken(seq, "was changed: its hash does not fit its content")


def _hash(entry: Entry) -> str:
    content = {
        "seq": entry.seq,
        "at": entry.at,
        "fact": entry.fact,
        "call_id": entry.call_id,
        "recording_id": entry.recording_id,
        "public": entry.public,
        "commitment": entry.commitment,
        "prev": entry.prev,
    }
    return hashlib.sha256(ENTRY_PREFIX + canonical_json(content)).hexdigest()


def _require_plain(value: object) -> None:
    match value:
        case None | bool():
            return
        case str():
            value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        case int():
            if abs(value) > _MAX_INTEGER:
                raise ValueError(f"{value} is too large an integer for the ledger")
        case list() | tuple():
            for item in value:
                _require_plain(item)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"{key!r} is a key, but not a string")  # noqa: TRY004
                _require_plain(key)
                _require_plain(item)
        case _:
            raise ValueError(f"the ledger holds no {type(value).__name__}")
