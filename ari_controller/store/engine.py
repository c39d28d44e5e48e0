"""The store's two doors: `Store` for the one process that writes, `ReadOnlyStore` for the rest."""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ari_controller.store.connections import reader_engine, writer_engine
from ari_controller.store.errors import Refused, StoreError
from ari_controller.store.lock import WriterLock
from ari_controller.store.migrations import migrate, require_current
from ari_controller.store.writer import OnCommit, Writer

__all__ = ["ReadOnlyStore", "Refused", "Store", "StoreError"]

T = TypeVar("T")


class Store:
    """The store, opened for writing; works from any event loop and any number of tasks."""

    def __init__(
        self, lock: WriterLock, connection: Connection, readers: Engine, on_commit: OnCommit | None
    ) -> None:
        self._lock = lock
        self._connection = connection
        self._readers = readers
        self._writer = Writer(connection, on_commit)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._open = True

    @classmethod
    def open(cls, path: Path, on_commit: OnCommit | None = None) -> Self:
        """Lock, create where missing (0640), migrate; raise StoreError. Blocks.

        `on_commit(seconds, jobs)` is called on the writer's thread after each COMMIT.
        """
        with _explained(path):
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            lock = WriterLock.take(path)
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
                connection = writer_engine(path).connect()
                try:
                    with connection.begin():
                        migrate(connection)
                except BaseException:
                    connection.close()
                    raise
            except BaseException:
                lock.release()
                raise
        return cls(lock, connection, reader_engine(path), on_commit)

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Run `job` in the next transaction; return its result once that is durable.

        Raise StoreError, with the cause attached, for a failure of the job or of the COMMIT;
        nothing of the job is in the store then. A job once queued is carried out even if the
        caller is cancelled.
        """
        return await asyncio.wrap_future(self._writer.submit(job))

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` on a read-only connection in a thread of its own; raise StoreError."""
        try:
            reading = self._reading.submit(_read, self._readers, job)
        except RuntimeError as error:
            raise StoreError("the store is closed") from error
        return await asyncio.wrap_future(reading)

    def close(self) -> None:
        """Carry out what is queued, then close and unlock. Blocks; may be called twice."""
        self._writer.close()
        self._reading.shutdown()
        if self._open:
            self._open = False
            self._connection.close()
            self._lock.release()


class ReadOnlyStore:
    """The store for a process that only looks; the daemon may write meanwhile."""

    def __init__(self, readers: Engine) -> None:
        self._readers = readers

    @classmethod
    def open(cls, path: Path) -> Self:
        """Check that the store is there and of this version's schema; raise StoreError."""
        if not path.is_file():
            raise StoreError(f"there is no store at {path}: check store.path, or start the daemon")
        readers = reader_engine(path)
        with _explained(path), readers.connect() as connection:
            require_current(connection)
        return cls(readers)

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` on one state of the store; raise StoreError."""
        return _read(self._readers, job)


def _read(readers: Engine, job: Callable[[Connection], T]) -> T:
    try:
        with readers.connect() as connection:
            return job(connection)
    except SQLAlchemyError as error:
        raise StoreError(f"the store cannot be read: {_driver_words(error)}") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot open the store {path}: {error.strerror}") from error
    except SQLAlchemyError as error:
        raise StoreError(
            f"cannot open the store {path}: {_driver_words(error)}; it must be an SQLite file in "
            "a directory that this user may write to"
        ) from error
    except StoreError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def _driver_words(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)
