"""The states that a recording goes through. Functions on a connection.

    reserved -> recording -> stopped -> sealed -> destroyed
        any of the first three -> failed; anything -> destroyed

Each step returns whether it was taken: one that was taken before is not taken again.
"""

import json

from sqlalchemy import Connection

from ari_controller.core.model import Policy, SealedRecording, Segment
from ari_controller.store.errors import Refused
from ari_controller.store.recordings import RecordingRow
from ari_controller.store.schema import recordings, segments


def reserve(
    connection: Connection,
    *,
    recording_id: str,
    call_id: str,
    facts: dict[str, object],
    policy: Policy,
    channel_id: str,
    agent_channel_id: str | None,
    segment: Segment,
    retention_until: str,
) -> None:
    """Add a recording that is about to start."""
    values = {
        "recording_id": recording_id,
        "call_id": call_id,
        "state": "reserved",
        "facts": json.dumps(facts, allow_nan=False, ensure_ascii=False),
        "channel_id": channel_id,
        "agent_channel_id": agent_channel_id,
        "on_withdrawal": policy.on_withdrawal.value,
        "withdrawal_keys": policy.withdrawal_keys,
        "started_at": segment.started_at,
        "retention_until": retention_until,
        "destroy": 0,
        "marks": "[]",
    }
    connection.execute(recordings.insert(), values)
    _insert_segment(connection, recording_id, segment)


def add_segment(connection: Connection, recording_id: str, segment: Segment) -> None:
    """Add the next segment; the one before it ends where this one starts."""
    _close_segments(connection, recording_id, segment.started_at)
    _insert_segment(connection, recording_id, segment)


def start(connection: Connection, row: RecordingRow, mixmonitor_id: str, at: float) -> bool:
    """Say that the files were seen; a later MixMonitor of the same recording only changes the id.

    News of a start that comes behind the end changes nothing.
    """
    if row.state not in ("reserved", "recording"):
        return False
    _update(connection, row, mixmonitor_id=mixmonitor_id)
    if row.state == "recording":
        return False
    _update(connection, row, state="recording", started_at=at)
    return True


def stop(connection: Connection, row: RecordingRow, at: float, reason: str, destroy: bool) -> bool:
    """Say that the recording will not grow any more.

    Told twice, the first time and reason stay, but an order to destroy is never lost.
    """
    if row.state == "stopped" and destroy:
        _update(connection, row, destroy=1)
    if row.state not in ("reserved", "recording"):
        return False
    _close_segments(connection, row.recording_id, at)
    _update(
        connection, row, state="stopped", stopped_at=at, stop_reason=reason, destroy=int(destroy)
    )
    return True


def fail(connection: Connection, row: RecordingRow, reason: str) -> bool:
    """Say that there is no recording; raise Refused where there is one."""
    if row.state == "failed":
        return False
    if row.state in ("sealed", "destroyed"):
        raise Refused(f"recording {row.recording_id} is {row.state}, it cannot fail any more")
    _update(connection, row, state="failed", failure=reason)
    return True


def seal(connection: Connection, row: RecordingRow, sealed: SealedRecording) -> bool:
    """Say what sealing made of it; raise Refused for one to be destroyed, or not stopped."""
    if row.state == "sealed" and row.sha256 == sealed.sha256:
        return False
    if row.state != "stopped" or row.destroy:
        what = "to be destroyed" if row.destroy else row.state
        raise Refused(f"recording {row.recording_id} is {what}, it cannot be sealed")
    _update(
        connection,
        row,
        state="sealed",
        archive_path=sealed.path,
        sha256=sealed.sha256,
        size_bytes=sealed.size_bytes,
        duration_seconds=sealed.duration_seconds,
        marks=json.dumps(sealed.marks),
    )
    return True


def destroy(connection: Connection, row: RecordingRow, reason: str) -> bool:
    """Say that its audio is gone."""
    if row.state == "destroyed":
        return False
    _update(connection, row, state="destroyed", failure=reason)
    return True


def _insert_segment(connection: Connection, recording_id: str, segment: Segment) -> None:
    values = {
        "recording_id": recording_id,
        "number": segment.number,
        "rx": segment.rx,
        "tx": segment.tx,
        "started_at": segment.started_at,
        "stopped_at": segment.stopped_at,
    }
    connection.execute(segments.insert(), values)


def _close_segments(connection: Connection, recording_id: str, at: float) -> None:
    running = (segments.c.recording_id == recording_id) & segments.c.stopped_at.is_(None)
    connection.execute(segments.update().where(running).values(stopped_at=at))


def _update(connection: Connection, row: RecordingRow, **values: object) -> None:
    this = recordings.c.recording_id == row.recording_id
    connection.execute(recordings.update().where(this).values(**values))
