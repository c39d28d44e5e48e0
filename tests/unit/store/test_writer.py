import asyncio
import threading
from collections.abc import Awaitable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from ari_controller.core.ledger import Fact
from ari_controller.store import ledger
from ari_controller.store.engine import Refused, Store, StoreError
from ari_controller.store.journal import Journal
from tests.unit.store.samples import said


async def hold(store: Store) -> tuple[threading.Event, "asyncio.Task[None]"]:
    """Keep the writer busy until the event is set: what is queued meanwhile is its next batch."""
    entered, release = threading.Event(), threading.Event()

    def wait(connection: Connection) -> None:
        entered.set()
        release.wait(10)

    held = asyncio.ensure_future(store.write(wait))
    await asyncio.to_thread(entered.wait, 10)
    return release, held


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM ledger")).scalar_one())


async def test_many_concurrent_writers_make_one_chain(store: Store, journal: Journal) -> None:
    entries = await asyncio.gather(
        *(journal.append(said(Fact.CONSENT_GIVEN, f"c{n}")) for n in range(300))
    )
    assert sorted(entry.seq for entry in entries) == list(range(1, 301))
    assert await store.read(ledger.verify_all) == 300


async def test_what_is_queued_together_is_committed_together(path: Path) -> None:
    commits: list[int] = []
    store = Store.open(path, on_commit=lambda seconds, jobs: commits.append(jobs))
    release, held = await hold(store)
    writes = [asyncio.ensure_future(store.write(count)) for _ in range(20)]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(held, *writes)
    store.close()
    assert commits == [1, 20]


async def test_a_failing_job_fails_alone_and_leaves_nothing(store: Store, journal: Journal) -> None:
    def fails_after_writing(connection: Connection) -> None:
        connection.execute(
            text("INSERT INTO do_not_record VALUES ('1', 'objection', 'now', 'dpo')")
        )
        raise ZeroDivisionError("half-way")

    release, held = await hold(store)
    before = asyncio.ensure_future(journal.append(said(Fact.CONSENT_GIVEN)))
    bad = asyncio.ensure_future(store.write(fails_after_writing))
    after = asyncio.ensure_future(journal.append(said(Fact.CONSENT_GIVEN)))
    await asyncio.sleep(0)
    release.set()
    results = await asyncio.gather(held, before, bad, after, return_exceptions=True)
    assert isinstance(results[2], StoreError)
    assert isinstance(results[2].__cause__, ZeroDivisionError)
    assert await store.read(ledger.verify_all) == 2
    assert not await journal.is_on_register("1")


async def test_an_answer_comes_only_once_it_is_durable(store: Store, path: Path) -> None:
    await store.write(
        lambda c: (
            c.execute(text("INSERT INTO do_not_record VALUES ('1', 'g', 'now', 'a')")) and None
        )
    )
    seen = await store.read(
        lambda c: c.execute(text("SELECT count(*) FROM do_not_record")).scalar_one()
    )
    assert seen == 1


async def test_a_failed_commit_fails_its_whole_batch_and_nothing_after_it(
    store: Store, journal: Journal
) -> None:
    def break_at_commit(connection: Connection) -> None:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("INSERT INTO ledger_rows VALUES (99, x'00', '{}')"))

    release, held = await hold(store)
    good = asyncio.ensure_future(journal.append(said(Fact.CONSENT_GIVEN)))
    bad = asyncio.ensure_future(store.write(break_at_commit))
    await asyncio.sleep(0)
    release.set()
    results = await asyncio.gather(held, good, bad, return_exceptions=True)
    assert isinstance(results[1], StoreError)
    assert isinstance(results[2], StoreError)
    assert await store.read(ledger.verify_all) == 0
    assert (await journal.append(said(Fact.CONSENT_GIVEN))).seq == 1


async def test_a_full_disk_is_an_error_and_passes(store: Store, journal: Journal) -> None:
    def limit(pages: int) -> Awaitable[object]:
        return store.write(
            lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar_one()
        )

    await limit(1)  # SQLite raises this to the pages in use: the next one is too many
    with pytest.raises(StoreError, match="full") as full:
        await store.write(
            lambda c: (
                c.exec_driver_sql(
                    "INSERT INTO do_not_record VALUES ('1', hex(zeroblob(200000)), 'now', 'a')"
                ).rowcount
            )
        )
    assert not isinstance(full.value, Refused)
    await limit(10_000)
    await journal.append(said(Fact.CONSENT_GIVEN))
    assert await store.read(ledger.verify_all) == 1


async def test_what_can_never_be_written_is_refused_and_not_only_failed(
    journal: Journal,
) -> None:
    statement = said(Fact.CONSENT_GIVEN)
    with pytest.raises(Refused, match="float"):
        await journal.append(type(statement)(statement.fact, "c1", None, {"seconds": 1.5}, {}))


async def test_a_cancelled_caller_neither_stops_the_writer_nor_takes_its_word_back(
    store: Store, journal: Journal
) -> None:
    release, held = await hold(store)
    given_up = asyncio.ensure_future(journal.append(said(Fact.CONSENT_WITHDRAWN)))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    release.set()
    await held
    assert (await journal.append(said(Fact.CONSENT_GIVEN))).seq == 2


def test_the_store_outlives_an_event_loop(store: Store) -> None:
    for _ in range(2):
        asyncio.run(store.write(count))


async def test_closing_carries_out_what_is_queued(path: Path) -> None:
    store = Store.open(path)
    release, held = await hold(store)
    writes = [asyncio.ensure_future(store.write(count)) for _ in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(store.close))
    release.set()
    await closing
    assert await asyncio.gather(held, *writes) == [None, 0, 0, 0, 0, 0]


async def test_a_closed_store_says_so(path: Path) -> None:
    store = Store.open(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.write(count)
    with pytest.raises(StoreError, match="closed"):
        await store.read(count)


async def test_no_parameter_of_a_statement_reaches_an_error(store: Store) -> None:
    insert = text("INSERT INTO do_not_record VALUES (:number, NULL, 'now', 'a')")
    with pytest.raises(StoreError) as failed:
        await store.write(lambda c: c.execute(insert, {"number": "+40721234567"}) and None)
    assert "721234567" not in f"{failed.value} {failed.value.__cause__}"


async def test_a_reader_cannot_write(store: Store) -> None:
    insert = text("INSERT INTO do_not_record VALUES ('1', 'g', 'now', 'a')")
    with pytest.raises(StoreError, match="readonly"):
        await store.read(lambda c: c.execute(insert) and None)
