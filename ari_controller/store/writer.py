"""The one thread that writes: queued jobs, many in one transaction (group commit)."""

import queue
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from ari_controller.store.errors import Refused, StoreError

MAX_BATCH = 256

T = TypeVar("T")
OnCommit = Callable[[float, int], None]


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    done: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: StoreError | None = None


class Writer:
    """Runs jobs in the order they were submitted, each in a SAVEPOINT of a shared transaction.

    A future resolves only after COMMIT. A job that raises undoes its own changes and fails its own
    future; a COMMIT that fails fails all of its batch. `on_commit` is called on this thread with
    the seconds from BEGIN to COMMIT and the number of jobs; it must not raise.
    """

    def __init__(self, connection: Connection, on_commit: OnCommit | None = None) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._closing = Lock()
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue one job; it will be carried out even if nobody waits for its future any more."""
        job = _Job(work)
        # Running from the start: a caller that gives up cannot take back what it asked for.
        job.done.set_running_or_notify_cancel()
        with self._closing:
            if self._closed:
                raise StoreError("the store is closed")
            self._queue.put(job)
        return job.done

    def close(self) -> None:
        """Carry out what is queued, then end the thread. Blocks; may be called twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            batch: list[_Job] = []
            job = self._queue.get()
            while job is not None:
                batch.append(job)
                if len(batch) == MAX_BATCH:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            going = job is not None
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Job]) -> None:
        began = time.perf_counter()
        failure: StoreError | None = None
        try:
            with self._connection.begin():
                for job in batch:
                    self._carry_out(job)
        except Exception as error:
            failure = _store_error(error)
            self._undo()
        elapsed = time.perf_counter() - began
        for job in batch:
            error_of_job = failure or job.error
            if error_of_job is not None:
                job.done.set_exception(error_of_job)
            else:
                job.done.set_result(job.result)
        if self._on_commit is not None and failure is None:
            self._on_commit(elapsed, len(batch))

    def _carry_out(self, job: _Job) -> None:
        run = self._connection.exec_driver_sql
        run("SAVEPOINT job")
        try:
            job.result = job.work(self._connection)
        except Exception as error:
            job.error = _store_error(error)
            try:
                run("ROLLBACK TO job")
            except SQLAlchemyError:
                # SQLite has undone the whole transaction, as it may on a full disk.
                raise job.error from error
        run("RELEASE job")

    def _undo(self) -> None:
        # SQLAlchemy takes a transaction whose COMMIT failed for ended; SQLite keeps it open.
        with suppress(SQLAlchemyError, sqlite3.Error):
            self._connection.rollback()
            driver = self._connection.connection.driver_connection
            if driver is not None:
                driver.rollback()


def _store_error(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    # The driver's own words: SQLAlchemy's message adds statement and link, which help nobody here.
    cause = getattr(error, "orig", None) or error
    # Operational is what may pass (a full disk); a bad value or a duplicate stays what it is.
    kind = StoreError if isinstance(error, OperationalError) else Refused
    wrapped = kind(f"the store did not write: {type(cause).__name__}: {cause}")
    wrapped.__cause__ = error
    return wrapped
