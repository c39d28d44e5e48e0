"""The first schema: ledger, calls, recordings, do-not-record register."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """CREATE TABLE ledger (
        seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        fact TEXT NOT NULL,
        call_id TEXT,
        recording_id TEXT,
        public TEXT NOT NULL,
        commitment TEXT,
        prev TEXT NOT NULL,
        hash TEXT NOT NULL,
        PRIMARY KEY (seq)
    ) STRICT""",
    "CREATE INDEX ledger_by_call ON ledger (call_id, fact)",
    "CREATE INDEX ledger_by_recording ON ledger (recording_id)",
    """CREATE TABLE ledger_rows (
        seq INTEGER NOT NULL,
        salt BLOB NOT NULL,
        personal TEXT NOT NULL,
        PRIMARY KEY (seq),
        FOREIGN KEY(seq) REFERENCES ledger (seq)
    ) STRICT""",
    """CREATE TABLE calls (
        call_id TEXT NOT NULL,
        linkedid TEXT NOT NULL,
        channel_id TEXT NOT NULL,
        agent_channel_id TEXT,
        direction TEXT NOT NULL,
        did TEXT,
        number TEXT,
        endpoint TEXT NOT NULL,
        agent_endpoint TEXT,
        context TEXT NOT NULL,
        policy TEXT,
        policy_version TEXT,
        mode TEXT NOT NULL,
        phase TEXT NOT NULL,
        outcome TEXT,
        reason TEXT,
        media TEXT NOT NULL CHECK (media IN ('answered', 'early')),
        started_at REAL NOT NULL,
        ended_at REAL,
        PRIMARY KEY (call_id)
    ) STRICT""",
    "CREATE INDEX calls_by_start ON calls (started_at)",
    "CREATE INDEX calls_by_end ON calls (ended_at)",
    "CREATE INDEX calls_by_number ON calls (number)",
    """CREATE TABLE recordings (
        recording_id TEXT NOT NULL,
        call_id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('reserved', 'recording', 'stopped', 'sealed', 'failed', 'destroyed')
        ),
        facts TEXT NOT NULL,
        channel_id TEXT NOT NULL,
        agent_channel_id TEXT,
        mixmonitor_id TEXT,
        on_withdrawal TEXT NOT NULL,
        withdrawal_keys TEXT NOT NULL,
        started_at REAL NOT NULL,
        stopped_at REAL,
        stop_reason TEXT,
        retention_until TEXT NOT NULL,
        destroy INTEGER NOT NULL CHECK (destroy IN (0, 1)),
        archive_path TEXT,
        sha256 TEXT,
        size_bytes INTEGER,
        duration_seconds REAL,
        marks TEXT NOT NULL,
        failure TEXT,
        encryption TEXT,
        PRIMARY KEY (recording_id),
        FOREIGN KEY(call_id) REFERENCES calls (call_id)
    ) STRICT""",
    "CREATE INDEX recordings_by_call ON recordings (call_id)",
    "CREATE INDEX recordings_by_state ON recordings (state, stopped_at)",
    "CREATE INDEX recordings_by_retention ON recordings (retention_until)",
    "CREATE INDEX recordings_by_start ON recordings (started_at)",
    """CREATE TABLE segments (
        recording_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        rx TEXT NOT NULL,
        tx TEXT NOT NULL,
        started_at REAL NOT NULL,
        stopped_at REAL,
        PRIMARY KEY (recording_id, number),
        FOREIGN KEY(recording_id) REFERENCES recordings (recording_id),
        UNIQUE (rx),
        UNIQUE (tx)
    ) STRICT""",
    """CREATE TABLE do_not_record (
        number TEXT NOT NULL,
        ground TEXT NOT NULL,
        created_at TEXT NOT NULL,
        author TEXT NOT NULL,
        PRIMARY KEY (number)
    ) STRICT""",
)

# The third one is for INSERT OR REPLACE, which deletes without firing a DELETE trigger.
TRIGGERS = (
    """CREATE TRIGGER ledger_refuses_update BEFORE UPDATE ON ledger
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER ledger_refuses_delete BEFORE DELETE ON ledger
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER ledger_only_grows BEFORE INSERT ON ledger
       WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
       BEGIN SELECT RAISE(ABORT, 'a ledger entry follows the one before it'); END""",
    """CREATE TRIGGER ledger_rows_refuse_update BEFORE UPDATE ON ledger_rows
       BEGIN SELECT RAISE(ABORT, 'a personal row is erased, never changed'); END""",
)


def upgrade() -> None:
    """Create everything."""
    for statement in (*TABLES, *TRIGGERS):
        op.execute(statement)
