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
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar

from ari_controller.core.model import SealedRecording, Segment, StoppedRecording
from ari_controller.recording import worker
from ari_controller.recording.archive import ArchiveError, LocalArchive
from ari_controller.recording.job import NothingToSeal, SealJob
from ari_controller.recording.removals import Removals
from ari_controller.recording.sidecar import sealed
from ari_controller.recording.spool import Spool, SpoolError

CLOSE_SECONDS = 5.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0

RetryReason = Literal["disk_full", "worker_died", "verify", "spool", "archive", "other"]

_R = TypeVar("_R")


class SealJournal(Protocol):
    """What sealing needs of the store. Every method may be called again with the same values."""

    async def pending(self) -> list[StoppedRecording]:
        """Return the recordings that wait to be sealed or destroyed."""

    async def sealed(self, recording: SealedRecording) -> None:
        """Write down that a recording is archived and verified."""

    async def recording_failed(self, recording_id: str, reason: str) -> None:
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
        *,
        executor: Callable[[], Executor] = worker.pool,
        close_seconds: float = CLOSE_SECONDS,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
    ) -> None:
        self._spool = spool
        self._archive = archive
        self._journal = journal
        self._software = software
        self._on_outcome = on_outcome
        self._new_executor = executor
        self._close_seconds = close_seconds
        self._first_retry_seconds = first_retry_seconds
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
                # Waits for the step in hand.
                await asyncio.to_thread(self._executor.shutdown)

    async def _turn(self) -> None:
        pending = sorted(await self._journal.pending(), key=lambda item: item.stopped_at)
        self._backlog = len(pending)
        waiting = {item.recording_id for item in pending}
        removable = set(await asyncio.to_thread(self._removals.noted)) - waiting
        self._retries = {
            key: retry for key, retry in self._retries.items() if key in waiting | removable
        }
        for recording_id in removable:
            await self._guarded(recording_id, partial(self._remove, recording_id))
        now = asyncio.get_running_loop().time()
        retries = self._retries
        ready = [
            item
            for item in pending
            if item.recording_id not in retries or retries[item.recording_id].due <= now
        ]
        await asyncio.gather(*(self._wait_until_closed(item) for item in ready))
        for item in ready:
            if await self._guarded(item.recording_id, partial(self._take, item)):
                await self._guarded(item.recording_id, partial(self._remove, item.recording_id))

    async def _take(self, item: StoppedRecording) -> None:
        began = asyncio.get_running_loop().time()
        path = self._archive.path_of(item)
        if item.destroy:
            await asyncio.to_thread(self._destroy, item, path)
            await self._journal.destroyed(item.recording_id, item.stop_reason)
            self._finish(SealOutcome(item.recording_id, "destroyed", item.stop_reason))
            return
        try:
            done = await self._archived(item, path)
        except NothingToSeal as error:
            await self._journal.recording_failed(item.recording_id, str(error))
            self._finish(SealOutcome(item.recording_id, "failed", detail=str(error)))
            return
        await asyncio.to_thread(self._removals.note, item.recording_id, item.segments)
        await self._journal.sealed(done)
        seconds = asyncio.get_running_loop().time() - began
        self._finish(SealOutcome(item.recording_id, "sealed", marks=done.marks, seconds=seconds))

    def _finish(self, outcome: SealOutcome) -> None:
        self._backlog -= 1
        self._on_outcome(outcome)

    async def _archived(self, item: StoppedRecording, path: str) -> SealedRecording:
        """Return the recording as it is in the archive, sealing it first if need be."""
        await asyncio.to_thread(self._archive.prepare)
        if await asyncio.to_thread(self._archive.sidecar(path).exists):
            done = await self._in_worker(worker.stored, self._archive, path, item)
            if done is not None:
                return done
        if not await asyncio.to_thread(self._any_file, item.segments):
            raise NothingToSeal("no file of the recording is on the spool")
        target = self._archive.temporary(item.recording_id)
        job = SealJob(self._spool, item, target, self._software)
        document = await self._in_worker(worker.seal, job)
        await self._archive.store(path, document)
        done = sealed(document, path)
        problems = await self._in_worker(worker.problems, self._archive, done)
        if problems:
            raise VerifyFailed("; ".join(problems))
        return done

    def _any_file(self, segments: tuple[Segment, ...]) -> bool:
        return any(self._spool.present(segment) for segment in segments)

    def _destroy(self, item: StoppedRecording, path: str) -> None:
        for segment in item.segments:
            # Asked first, so that a spool that is not mounted does not pass for destroyed audio.
            if self._spool.present(segment):
                self._spool.remove(segment)
        self._archive.erase(path)

    async def _remove(self, recording_id: str) -> None:
        await asyncio.to_thread(self._removals.carry_out, recording_id)

    async def _wait_until_closed(self, item: StoppedRecording) -> None:
        """Give Asterisk time to close the files; what is still open then was left by a crash."""
        if not item.destroy:
            for segment in item.segments:
                await self._spool.closed(segment, self._close_seconds)

    async def _in_worker(self, function: Callable[..., _R], *arguments: object) -> _R:
        if self._executor is None:
            self._executor = self._new_executor()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(function, *arguments))
        except BrokenProcessPool:
            self._executor.shutdown(wait=False)
            self._executor = None
            raise

    async def _guarded(self, key: str, step: Callable[[], Awaitable[None]]) -> bool:
        """Carry a step out; if it fails, report that and set the time for the next try."""
        try:
            await step()
        except Exception as error:
            # Whatever one recording does to us, the others and the calls go on (rule 3).
            last = self._retries.get(key)
            wait = last.wait_seconds * 2 if last else self._first_retry_seconds
            wait = min(wait, LAST_RETRY_SECONDS)
            self._retries[key] = _Retry(asyncio.get_running_loop().time() + wait, wait)
            detail = str(error) or type(error).__name__
            self._on_outcome(SealOutcome(key, "retry", retry_reason(error), detail))
            return False
        self._retries.pop(key, None)
        return True

    def _next_due(self) -> float | None:
        return min((retry.due for retry in self._retries.values()), default=None)


def retry_reason(error: Exception) -> RetryReason:
    """Return the few words under which a failure is counted."""
    match error:
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            return "disk_full"
        case BrokenProcessPool():
            return "worker_died"
        case VerifyFailed():
            return "verify"
        case SpoolError():
            return "spool"
        case ArchiveError():
            return "archive"
        case _:
            return "other"
