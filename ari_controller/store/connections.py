"""How SQLite is opened: one connection that writes, others that can only read.

SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at once
(the "WAL-reset" bug), so exactly one does: readers are opened `mode=ro` and nothing maps the file.
"""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_MS = 5000

_COMMON = (f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA mmap_size = 0")
# FULL: a consent that was answered as written must survive a power cut. secure_delete: what is
# erased is overwritten, not only unlinked.
_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


def writer_engine(path: Path) -> Engine:
    """Return the engine whose transactions begin with BEGIN IMMEDIATE."""
    return _engine(path, "rw", (*_COMMON, *_WRITER), "BEGIN IMMEDIATE")


def reader_engine(path: Path) -> Engine:
    """Return an engine that cannot write; each transaction sees one state of the store."""
    return _engine(path, "ro", _COMMON, "BEGIN")


def _engine(path: Path, mode: str, pragmas: tuple[str, ...], begin: str) -> Engine:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: sqlite3 begins no transactions of its own, the event below does.
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    # hide_parameters: they are personal data, and errors are logged.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
