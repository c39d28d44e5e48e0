import io
import sqlite3
from pathlib import Path

import pytest

from ari_controller.core.ledger import Broken, Fact, check_commitment
from ari_controller.store import ledger
from ari_controller.store.engine import ReadOnlyStore, Store, StoreError
from ari_controller.store.journal import Journal
from tests.unit.store.samples import NUMBER, said


@pytest.fixture
async def written(path: Path, store: Store, journal: Journal) -> Path:
    for fact in (Fact.CALL_ENTERED, Fact.NOTICE_PLAYED, Fact.CONSENT_GIVEN):
        await journal.append(said(fact))
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET fact = 'consent_given'",
        "DELETE FROM ledger",
        "DELETE FROM ledger WHERE seq = 3",
        "INSERT OR REPLACE INTO ledger SELECT 2, at, fact, 'x', recording_id, public, commitment,"
        " prev, hash FROM ledger WHERE seq = 1",
        "INSERT INTO ledger SELECT 9, at, fact, 'x', recording_id, public, commitment, prev, hash"
        " FROM ledger WHERE seq = 1",
        "UPDATE ledger_rows SET personal = '{}'",
    ],
)
async def test_the_ledger_refuses_every_change(store: Store, written: Path, statement: str) -> None:
    with pytest.raises(StoreError, match=r"append-only|follows the one before|never changed"):
        await store.write(lambda connection: connection.exec_driver_sql(statement).rowcount)
    assert await store.read(ledger.verify_all) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET call_id = 'c2' WHERE seq = 2",
        'UPDATE ledger SET public = \'{"mode": "implied"}\' WHERE seq = 2',
        "UPDATE ledger SET public = '{\"mode\":1.5}' WHERE seq = 2",
        "UPDATE ledger SET public = 'no json' WHERE seq = 2",
        "UPDATE ledger SET public = '[]' WHERE seq = 2",
        'UPDATE ledger_rows SET personal = \'{"number":"+40700000000"}\' WHERE seq = 2',
        "UPDATE ledger_rows SET salt = x'00' WHERE seq = 2",
    ],
)
async def test_what_root_changes_with_the_triggers_dropped_is_found(
    store: Store, written: Path, statement: str
) -> None:
    store.close()
    with sqlite3.connect(written) as connection:
        connection.execute("DROP TRIGGER ledger_refuses_update")
        connection.execute("DROP TRIGGER ledger_rows_refuse_update")
        connection.execute(statement)
    connection.close()
    with pytest.raises(Broken) as broken:
        ReadOnlyStore.open(written).read(ledger.verify_all)
    assert broken.value.seq == 2


async def test_an_entry_read_back_is_the_one_written(store: Store, journal: Journal) -> None:
    entry = await journal.append(said(Fact.CONSENT_GIVEN))
    assert await store.read(ledger.head) == entry
    assert await store.read(lambda c: list(ledger.iterate(c, call_id="c1"))) == [entry]
    assert await store.read(lambda c: list(ledger.iterate(c, after=1))) == []


async def test_a_row_holds_what_its_entry_commits_to(store: Store, journal: Journal) -> None:
    entry = await journal.append(said(Fact.CONSENT_GIVEN))
    salt, personal = await store.read(
        lambda c: c.exec_driver_sql("SELECT salt, personal FROM ledger_rows").one()
    )
    assert len(salt) == 32
    assert personal == f'{{"number":"{NUMBER}"}}'
    assert check_commitment(entry, salt, {"number": NUMBER})


async def test_an_erased_row_leaves_a_chain_that_holds(store: Store, written: Path) -> None:
    await store.write(lambda c: c.exec_driver_sql("DELETE FROM ledger_rows").rowcount)
    assert await store.read(ledger.verify_all) == 3


async def test_an_export_without_rows_says_nothing_personal(store: Store, written: Path) -> None:
    stream = io.StringIO()
    assert await store.read(lambda c: ledger.export(c, stream)) == 3
    assert "721234567" not in stream.getvalue()
    assert "salt" not in stream.getvalue()
    await store.read(lambda c: ledger.export(c, stream, with_rows=True))
    assert NUMBER in stream.getvalue()
