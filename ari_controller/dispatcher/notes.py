"""Writes that no call waits for: carried out in order, and again until the store takes them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ari_controller.metrics import Metrics
from ari_controller.store.engine import Refused, StoreError

log = structlog.get_logger(__name__)
Write = Callable[[], Awaitable[object]]

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 5.0


class Notes:
    """A queue of writes in the order they were asked for.

    A refusal or a hang-up must not wait for a slow store, and must not be forgotten by it either.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._queue: asyncio.Queue[Write] = asyncio.Queue()
        self._metrics = metrics

    def add(self, write: Write) -> None:
        """Queue one write; return at once."""
        self._queue.put_nowait(write)

    async def run(self) -> None:
        """Carry writes out for ever."""
        while True:
            write = await self._queue.get()
            try:
                await self._until_taken(write)
            finally:
                self._queue.task_done()

    async def drain(self) -> None:
        """Wait until every write asked for so far is in the store."""
        await self._queue.join()

    async def _until_taken(self, write: Write) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await write()
            except Refused as error:
                # Asking again would be refused again: what it would have said is in this line.
                self._metrics.store_errors_total.inc()
                log.error("store refused a note", reason=str(error))
                return
            except StoreError as error:
                self._metrics.store_errors_total.inc()
                log.error("store did not take a note, will try again", reason=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY_SECONDS)
            else:
                return
