"""The ledger in the store: append, read, prove, export. Functions on a connection."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

from sqlalchemy import Connection, Row, select

from ari_controller.core.ledger import (
    GENESIS,
    Broken,
    Entry,
    Fact,
    Statement,
    canonical_json,
    check_commitment,
    next_entry,
    verify,
)
from ari_controller.store.schema import ledger, ledger_rows

EXPORT_FORMAT = "ari-controller-ledger"
EXPORT_VERSION = 1
_FETCHED_AT_ONCE = 500
_HEAD = ledger.select().order_by(ledger.c.seq.desc()).limit(1)


def append(connection: Connection, statement: Statement, at: str, salt: bytes) -> Entry:
    """Write a statement as the next entry, its personal part beside it; raise ValueError.

    The head is read in the same transaction, so two appends never follow the same entry.
    """
    entry = next_entry(head(connection), statement, at, salt)
    connection.execute(
        ledger.insert(),
        {
            "seq": entry.seq,
            "at": entry.at,
            "fact": entry.fact,
            "call_id": entry.call_id,
            "recording_id": entry.recording_id,
            "public": canonical_json(entry.public).decode(),
            "commitment": entry.commitment,
            "prev": entry.prev,
            "hash": entry.hash,
        },
    )
    if entry.commitment is not None:
        personal = canonical_json(statement.personal).decode()
        row = {"seq": entry.seq, "salt": salt, "personal": personal}
        connection.execute(ledger_rows.insert(), row)
    return entry


def head(connection: Connection) -> Entry | None:
    """Return the newest entry, None for an empty ledger."""
    row = connection.execute(_HEAD).first()
    return None if row is None else _entry(row)


def iterate(
    connection: Connection, *, after: int = 0, call_id: str | None = None
) -> Iterator[Entry]:
    """Yield entries in order, those with a higher seq than `after`, of one call or of all."""
    query = ledger.select().where(ledger.c.seq > after).order_by(ledger.c.seq)
    if call_id is not None:
        query = query.where(ledger.c.call_id == call_id)
    for row in connection.execute(query.execution_options(yield_per=_FETCHED_AT_ONCE)):
        yield _entry(row)


def has_fact(connection: Connection, call_id: str, facts: Iterable[Fact]) -> bool:
    """Tell whether the ledger holds one of these facts of a call."""
    query = select(ledger.c.seq).where(
        ledger.c.call_id == call_id, ledger.c.fact.in_([fact.value for fact in facts])
    )
    return connection.execute(query.limit(1)).first() is not None


def verify_all(connection: Connection, known_head: str | None = None) -> int:
    """Return how many entries hold, each with its personal row where there still is one.

    Raise Broken at the first that does not. Entries that were cut off at the end are
    found only by `known_head` (docs/ledger.md).
    """
    return verify(_with_rows_checked(connection), known_head)


def export(connection: Connection, stream: TextIO, *, with_rows: bool = False) -> int:
    """Write the ledger as JSON Lines (docs/ledger.md); return how many entries.

    `with_rows` adds salts and personal parts: for a stranger who must check the commitments, and
    then personal data.
    """
    header = {"format": EXPORT_FORMAT, "version": EXPORT_VERSION, "rows": with_rows}
    _line(stream, header)
    count, newest = 0, GENESIS
    for entry, salt, personal in _entries_and_rows(connection):
        line: dict[str, object] = {
            "seq": entry.seq,
            "at": entry.at,
            "fact": entry.fact,
            "call_id": entry.call_id,
            "recording_id": entry.recording_id,
            "public": entry.public,
            "commitment": entry.commitment,
            "prev": entry.prev,
            "hash": entry.hash,
        }
        if with_rows and salt is not None:
            line["row"] = {"salt": salt.hex(), "personal": personal}
        _line(stream, line)
        count, newest = count + 1, entry.hash
    _line(stream, {"head": {"seq": count, "hash": newest}})
    return count


def _with_rows_checked(connection: Connection) -> Iterator[Entry]:
    for entry, salt, personal in _entries_and_rows(connection):
        if salt is not None and not check_commitment(entry, salt, personal):
            raise Broken(entry.seq, "its personal row is not the one it commits to")
        yield entry


def _entries_and_rows(
    connection: Connection,
) -> Iterator[tuple[Entry, bytes | None, Mapping[str, object]]]:
    query = (
        select(ledger, ledger_rows.c.salt, ledger_rows.c.personal)
        .outerjoin(ledger_rows, ledger.c.seq == ledger_rows.c.seq)
        .order_by(ledger.c.seq)
        .execution_options(yield_per=_FETCHED_AT_ONCE)
    )
    for row in connection.execute(query):
        personal = {} if row.salt is None else _json(row.seq, row.personal)
        yield _entry(row), row.salt, personal


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(
        seq=row.seq,
        at=row.at,
        fact=row.fact,
        call_id=row.call_id,
        recording_id=row.recording_id,
        public=_json(row.seq, row.public),
        commitment=row.commitment,
        prev=row.prev,
        hash=row.hash,
    )


def _json(seq: int, text: str) -> Mapping[str, object]:
    """Read back what canonical_json wrote; any other spelling of the same is a change too."""
    try:
        value = json.loads(text)
        if isinstance(value, dict) and canonical_json(value).decode() == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise Broken(seq, "was changed: its text is not what the ledger writes")


def _line(stream: TextIO, value: Mapping[str, object]) -> None:
    stream.write(canonical_json(value).decode() + "\n")
