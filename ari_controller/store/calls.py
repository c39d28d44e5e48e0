"""The calls in the store: one row each. Functions on a connection."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select

from ari_controller.core.model import CallFacts, Policy
from ari_controller.store.schema import calls

FIRST_PHASE = "new"


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as the store holds it; times in Unix seconds."""

    call_id: str
    linkedid: str
    channel_id: str
    agent_channel_id: str | None
    direction: str
    did: str | None
    number: str | None
    endpoint: str
    agent_endpoint: str | None
    context: str
    policy: str | None
    policy_version: str | None
    mode: str
    phase: str
    outcome: str | None
    reason: str | None
    media: str
    started_at: float
    ended_at: float | None


def insert(
    connection: Connection, facts: CallFacts, policy: Policy | None, mode: str, at: float
) -> None:
    """Add a call that just entered."""
    values = {
        "call_id": facts.call_id,
        "linkedid": facts.linkedid,
        "channel_id": facts.channel_id,
        "agent_channel_id": facts.agent_channel_id,
        "direction": facts.direction.value,
        "did": facts.did,
        "number": facts.number,
        "endpoint": facts.endpoint,
        "agent_endpoint": facts.agent_endpoint,
        "context": facts.context,
        "policy": None if policy is None else policy.name,
        "policy_version": None if policy is None else policy.version,
        "mode": mode,
        "phase": FIRST_PHASE,
        "media": "early" if facts.early_media else "answered",
        "started_at": at,
    }
    connection.execute(calls.insert(), values)


def set_phase(connection: Connection, call_id: str, phase: str) -> None:
    """Write the phase that a call is in."""
    connection.execute(calls.update().where(calls.c.call_id == call_id).values(phase=phase))


def end(connection: Connection, call_id: str, outcome: str, reason: str, at: float) -> None:
    """Close a call; one whose entry never reached the store stays without a row."""
    ended = {"phase": "ended", "outcome": outcome, "reason": reason, "ended_at": at}
    connection.execute(calls.update().where(calls.c.call_id == call_id).values(ended))


def find(connection: Connection, call_id: str) -> CallRow | None:
    """Return one call, or None."""
    rows = _rows(connection, calls.select().where(calls.c.call_id == call_id))
    return rows[0] if rows else None


def open_calls(connection: Connection) -> Sequence[CallRow]:
    """Return the calls that have not ended, oldest first."""
    query = calls.select().where(calls.c.ended_at.is_(None)).order_by(calls.c.started_at)
    return _rows(connection, query)


def recent(connection: Connection, limit: int) -> Sequence[CallRow]:
    """Return the latest calls, newest first."""
    return _rows(connection, calls.select().order_by(calls.c.started_at.desc()).limit(limit))


def _rows(connection: Connection, query: Select[tuple[object, ...]]) -> list[CallRow]:
    return [CallRow(**row) for row in connection.execute(query).mappings()]
