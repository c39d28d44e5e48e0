import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, MetaData, create_engine, text

from ari_controller.core.ledger import Fact
from ari_controller.store import ledger
from ari_controller.store.connections import reader_engine
from ari_controller.store.engine import ReadOnlyStore, Store, StoreError
from ari_controller.store.journal import Journal
from ari_controller.store.schema import metadata
from tests.unit.store.samples import said

WRITES_FOR_EVER = """
import asyncio, os, sys
from pathlib import Path
from ari_controller.store.engine import Store
from ari_controller.store.journal import Journal
from tests.unit.store.samples import Fact, said

async def main():
    journal = Journal(Store.open(Path(sys.argv[1])), lambda: 0.0, os.urandom)
    async def caller():
        while True:
            entry = await journal.append(said(Fact.CONSENT_GIVEN))
            print(entry.seq, flush=True)
    await asyncio.gather(*(caller() for _ in range(10)))

asyncio.run(main())
"""


def pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_a_new_store_is_made_with_its_directory_for_owner_and_group(path: Path) -> None:
    Store.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0


async def test_the_writer_is_set_to_lose_nothing(store: Store) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "mmap_size": 0,
        "busy_timeout": 5000,
    }
    found = await store.write(lambda c: {name: pragma(c, name) for name in wanted})
    assert found == wanted


def test_a_second_writer_is_told_who_holds_the_store(store: Store, path: Path) -> None:
    with pytest.raises(StoreError, match="another process writes to this store") as refused:
        Store.open(path)
    assert str(path) in str(refused.value)
    assert str(os.getpid()) in str(refused.value)
    assert "control socket" in str(refused.value)


def test_the_lock_is_free_again_after_closing_and_after_a_failed_start(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, however long one looks at it" * 50)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(path)
    path.unlink()
    Store.open(path).close()
    Store.open(path).close()


async def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    for seq in (1, 2):
        store = Store.open(path)
        entry = await Journal(store, lambda: 0.0, os.urandom).append(said(Fact.DAEMON_STARTED))
        store.close()
        assert entry.seq == seq


def test_a_killed_writer_leaves_a_chain_that_holds_and_lost_nothing_it_answered(
    path: Path,
) -> None:
    command = [sys.executable, "-c", WRITES_FOR_EVER, str(path)]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and program
        command, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(50)]
        process.kill()
        answered += [int(line) for line in process.stdout.read().splitlines()]
    store = Store.open(path)
    store.close()
    kept = ReadOnlyStore.open(path).read(ledger.verify_all)
    assert kept >= max(answered)


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for door in (Store.open, ReadOnlyStore.open):
        with pytest.raises(StoreError, match=r"schema 9999.*newer") as refused:
            door(path)
        assert str(path) in str(refused.value)


def test_somebody_elses_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(StoreError, match="not a store of ari-controller"):
        Store.open(path)
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert tables == [("other",)]


def test_a_reader_names_a_store_that_is_not_there(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        ReadOnlyStore.open(path)
    assert not path.parent.exists()


def test_a_reader_refuses_an_empty_file(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreError, match="not a store of ari-controller"):
        ReadOnlyStore.open(path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot open the store"):
        Store.open(tmp_path / "file" / "store.db")


async def test_a_reader_sees_what_the_writer_committed(
    store: Store, journal: Journal, path: Path
) -> None:
    reader = ReadOnlyStore.open(path)
    assert reader.read(ledger.head) is None
    entry = await journal.append(said(Fact.CONSENT_GIVEN))
    assert reader.read(ledger.head) == entry


def test_the_migrations_make_the_schema_that_the_code_speaks(path: Path) -> None:
    Store.open(path).close()
    declared = create_engine("sqlite://")
    metadata.create_all(declared)
    assert described(reader_engine(path)) == described(declared)
    declared.dispose()


def described(engine: Engine) -> dict[str, object]:
    found = MetaData()
    with engine.connect() as connection:
        found.reflect(connection)
        strict = {row.name: row.strict for row in connection.execute(text("PRAGMA table_list"))}
    return {
        table.name: (
            strict[table.name],
            [(c.name, str(c.type), c.nullable, c.primary_key) for c in table.columns],
            sorted((i.name or "", [c.name for c in i.columns]) for i in table.indexes),
            sorted(f"{f.parent.name}->{f.target_fullname}" for f in table.foreign_keys),
        )
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }
