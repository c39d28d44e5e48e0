"""The recordings in the store: their rows, and the ways to find them. Functions on a connection."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from ari_controller.core.model import Segment, StoppedRecording
from ari_controller.store.errors import Refused
from ari_controller.store.schema import recordings, segments


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One recording with its segments; times in Unix seconds, `retention_until` ISO 8601 UTC.

    `state` is one of reserved, recording, stopped, sealed, failed, destroyed; `failure` says why
    it failed or was destroyed. `started_at` is when the files were seen; until then, when it was
    reserved. `encryption` is None in this version.
    """

    recording_id: str
    call_id: str
    state: str
    facts: dict[str, object]
    channel_id: str
    agent_channel_id: str | None
    mixmonitor_id: str | None
    on_withdrawal: str
    withdrawal_keys: str
    started_at: float
    stopped_at: float | None
    stop_reason: str | None
    retention_until: str
    destroy: bool
    archive_path: str | None
    sha256: str | None
    size_bytes: int | None
    duration_seconds: float | None
    marks: tuple[str, ...]
    failure: str | None
    encryption: dict[str, object] | None
    segments: tuple[Segment, ...]

    def stopped(self) -> StoppedRecording:
        """Return it as sealing wants it; it must have been stopped."""
        if self.stopped_at is None or self.stop_reason is None:
            raise AssertionError("a recording in state 'stopped' has a time and a reason")
        return StoppedRecording(
            recording_id=self.recording_id,
            call_id=self.call_id,
            facts=self.facts,
            segments=self.segments,
            started_at=self.started_at,
            stopped_at=self.stopped_at,
            stop_reason=self.stop_reason,
            retention_until=self.retention_until,
            destroy=self.destroy,
        )


def get(connection: Connection, recording_id: str) -> RecordingRow:
    """Return one recording; raise Refused where there is none."""
    row = find(connection, recording_id)
    if row is None:
        raise Refused(f"there is no recording {recording_id}")
    return row


def find(connection: Connection, recording_id: str) -> RecordingRow | None:
    """Return one recording, or None."""
    query = recordings.select().where(recordings.c.recording_id == recording_id)
    rows = _rows(connection, query)
    return rows[0] if rows else None


def of_call(connection: Connection, call_id: str) -> Sequence[RecordingRow]:
    """Return a call's recordings, oldest first."""
    query = recordings.select().where(recordings.c.call_id == call_id)
    return _rows(connection, query.order_by(recordings.c.started_at))


def in_states(connection: Connection, *states: str) -> Sequence[RecordingRow]:
    """Return all recordings in these states, the first stopped first, then by their start."""
    query = recordings.select().where(recordings.c.state.in_(states))
    return _rows(connection, query.order_by(recordings.c.stopped_at, recordings.c.started_at))


def recent(connection: Connection, limit: int, state: str | None = None) -> Sequence[RecordingRow]:
    """Return the latest recordings, newest first, of one state or of all."""
    query = recordings.select().order_by(recordings.c.started_at.desc()).limit(limit)
    if state is not None:
        query = query.where(recordings.c.state == state)
    return _rows(connection, query)


def _rows(connection: Connection, query: Select[tuple[object, ...]]) -> list[RecordingRow]:
    found = connection.execute(query).mappings().all()
    return [_row(row, _segments(connection, row["recording_id"])) for row in found]


def _segments(connection: Connection, recording_id: str) -> tuple[Segment, ...]:
    columns = segments.c
    query = (
        select(columns.number, columns.rx, columns.tx, columns.started_at, columns.stopped_at)
        .where(columns.recording_id == recording_id)
        .order_by(columns.number)
    )
    return tuple(Segment(**row) for row in connection.execute(query).mappings())


def _row(columns: Mapping[Any, Any], segments: tuple[Segment, ...]) -> RecordingRow:
    values = {str(name): value for name, value in columns.items()}
    values["facts"] = json.loads(values["facts"])
    values["marks"] = tuple(json.loads(values["marks"]))
    values["destroy"] = bool(values["destroy"])
    values["encryption"] = values["encryption"] and json.loads(values["encryption"])
    return RecordingRow(**values, segments=segments)
