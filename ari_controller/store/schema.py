"""The tables, as the newest migration leaves them (a test compares the two).

Times are Unix seconds, except where the ledger or the archive wants text: `at`, `retention_until`
and `created_at` are ISO 8601 UTC. The triggers that keep `ledger` append-only are in the
migration.
"""

from sqlalchemy import (
    REAL,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Column("call_id", Text),
    Column("recording_id", Text),
    Column("public", Text, nullable=False),
    Column("commitment", Text),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ledger_by_call", "call_id", "fact"),
    Index("ledger_by_recording", "recording_id"),
    sqlite_strict=True,
)

# Salt and personal part of an entry: erasable, and then the entry is unlinked for good.
ledger_rows = Table(
    "ledger_rows",
    metadata,
    Column("seq", Integer, ForeignKey("ledger.seq"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("personal", Text, nullable=False),
    sqlite_strict=True,
)

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("linkedid", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_channel_id", Text),
    Column("direction", Text, nullable=False),
    Column("did", Text),
    Column("number", Text),
    Column("endpoint", Text, nullable=False),
    Column("agent_endpoint", Text),
    Column("context", Text, nullable=False),
    Column("policy", Text),
    Column("policy_version", Text),
    Column("mode", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("media", Text, CheckConstraint("media IN ('answered', 'early')"), nullable=False),
    Column("started_at", REAL, nullable=False),
    Column("ended_at", REAL),
    Index("calls_by_start", "started_at"),
    Index("calls_by_end", "ended_at"),
    Index("calls_by_number", "number"),
    sqlite_strict=True,
)

recordings = Table(
    "recordings",
    metadata,
    Column("recording_id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("calls.call_id"), nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint(
            "state IN ('reserved', 'recording', 'stopped', 'sealed', 'failed', 'destroyed')"
        ),
        nullable=False,
    ),
    Column("facts", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("agent_channel_id", Text),
    Column("mixmonitor_id", Text),
    Column("on_withdrawal", Text, nullable=False),
    Column("withdrawal_keys", Text, nullable=False),
    Column("started_at", REAL, nullable=False),
    Column("stopped_at", REAL),
    Column("stop_reason", Text),
    Column("retention_until", Text, nullable=False),
    Column("destroy", Integer, CheckConstraint("destroy IN (0, 1)"), nullable=False),
    Column("archive_path", Text),
    Column("sha256", Text),
    Column("size_bytes", Integer),
    Column("duration_seconds", REAL),
    Column("marks", Text, nullable=False),
    Column("failure", Text),
    # JSON once recordings are encrypted; always NULL in this version.
    Column("encryption", Text),
    Index("recordings_by_call", "call_id"),
    Index("recordings_by_state", "state", "stopped_at"),
    Index("recordings_by_retention", "retention_until"),
    Index("recordings_by_start", "started_at"),
    sqlite_strict=True,
)

segments = Table(
    "segments",
    metadata,
    Column("recording_id", Text, ForeignKey("recordings.recording_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("rx", Text, nullable=False, unique=True),
    Column("tx", Text, nullable=False, unique=True),
    Column("started_at", REAL, nullable=False),
    Column("stopped_at", REAL),
    sqlite_strict=True,
)

do_not_record = Table(
    "do_not_record",
    metadata,
    Column("number", Text, primary_key=True),
    Column("ground", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("author", Text, nullable=False),
    sqlite_strict=True,
)
