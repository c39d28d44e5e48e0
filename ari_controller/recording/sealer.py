"""The loop that seals stopped recordings, oldest first, and never loses one.

Theory of operation. A recording waits in the store until it is sealed. Each turn takes it through
the same steps: look for what an earlier run archived; else seal in the worker process, move into
the archive, verify by reading again; note which spool files may go; tell the store; remove them.
Every step can be done twice, and nothing is removed before the store has heard, so a kill at any
point and a restart end in the same result. A step that fails leaves all as it is and is tried
again, later each time, while other recordings go on.
"""

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, ParamSpec, Protocol, TypeVar

from ari_controller.core.model import SealedRecording, Segment, StoppedRecording
from ari_controller.recording import durable, worker
from ari_controller.recording.archive import ArchiveError, LocalArchive
from ari_controller.recording.job import NothingToSeal, SealJob
from ari_controller.recording.removals import Removals
from ari_controller.recording.spool import Spool, SpoolError

CLOSE_SECONDS = 5.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0

RetryReason = Literal["disk_full", "worker_died", "verify", "spool", "archive", "other"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class SealJournal(Protocol):
    """What sealing needs of the store. Every method may be called again with the same values."""

    async def pending(self) -> list[StoppedRecording]:
        """Return the recordings that wait to be sealed or destroyed."""

    async def sealed(self, recording: SealedRecording) -> None:
        """Write down that a recording is archived and verified."""

    async def failed(self, recording_id: str, reason: str) -> None:
        """Write down that there is nothing to seal."""

    async def destroyed(self, recording_id: str, reason: str) -> None:
        """Write down that the audio is destroyed."""


@dataclass(frozen=True, slots=True)
class SealOutcome:
    """What became of one try, for metrics and logs. `reason` takes few values, `detail` is text."""

    recording_id: str
    outcome: Literal["sealed", "failed", "destroyed", "retry"]
    reason: str = ""
    detail: str = ""
    marks: tuple[str, ...] = ()
    seconds: float = 0.0


class VerifyFailed(Exception):
    """What was just archived is not what was sealed."""


@dataclass(slots=True)
class _Retry:
    due: float
    wait_seconds: float


class Sealer:
    """Run `run` in one task; call `notify` whenever a recording has stopped."""

    def __init__(
        self,
        spool: Spool,
        archive: LocalArchive,
        journal: SealJournal,
        software: dict[str, str],
        on_outcome: Callable[[SealOutcome], None],
        executor: Callable[[], Executor] = worker.pool,
    ) -> None:
        self._spool = spool
        self._archive = archive
        self._journal = journal
        self._software = software
        self._on_outcome = on_outcome
        self._new_executor = executor
        self._executor: Executor | None = None
        self._removals = Removals(archive.temporary_folder, spool)
        self._retries: dict[str, _Retry] = {}
        self._wake = asyncio.Event()
        self._backlog = 0

    @property
    def backlog(self) -> int:
        """Tell how many recordings wait to be sealed, those that wait for a retry included."""
        return self._backlog

    def notify(self) -> None:
        """Say that a recording waits."""
        self._wake.set()

    async def run(self) -> None:
        """Seal for ever. Cancelled, it lets the step in the worker end and then stops."""
        try:
            while True:
                self._wake.clear()
                await self._guarded("", self._turn)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._next_due()):
                        await self._wake.wait()
        finally:
            if self._executor is not None:
                await asyncio.to_thread(self._executor.shutdown)

    async def _turn(self) -> None:
        await asyncio.to_thread(self._archive.prepare)
        pending = sorted(await self._journal.pending(), key=lambda item: item.stopped_at)
        self._backlog = len(pending)
        waiting = {item.recording_id for item in pending}
        for recording_id in await asyncio.to_thread(self._removals.noted):
            if recording_id not in waiting:
                await asyncio.to_thread(self._removals.carry_out, recording_id)
        now = asyncio.get_running_loop().time()
        ready = [item for item in pending if self._due(item.recording_id) <= now]
        await asyncio.gather(*(self._wait_until_closed(item) for item in ready))
        for item in ready:
            if await self._guarded(item.recording_id, lambda item=item: self._step(item)):
                self._backlog -= 1
