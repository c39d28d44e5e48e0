import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ari_controller.core.model import StoppedRecording
from ari_controller.recording import verify
from ari_controller.recording.archive import ArchiveError, LocalArchive
from ari_controller.recording.sealer import Sealer, SealOutcome, VerifyFailed, retry_reason
from ari_controller.recording.spool import SpoolError
from tests.unit.recording.wavs import SOFTWARE, Desk, Killed, MemoryJournal, tone, wav

DAY = "2026/11/23"
WITHIN_SECONDS = 10.0


def threads() -> Executor:
    """Stand in for the worker process where the test is not about it: it starts at once."""
    return ThreadPoolExecutor(1)


class Room:
    """A spool, an archive, a store, and the outcomes that sealing told."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder / "spool")
        self.archive = LocalArchive(folder / "archive")
        self.journal = MemoryJournal()
        self.outcomes: list[SealOutcome] = []
        self.on_outcome: Callable[[SealOutcome], object] = lambda outcome: None

    def add(self, *recordings: StoppedRecording) -> None:
        self.journal.waiting |= {item.recording_id: item for item in recordings}

    def told(self, outcome: str) -> list[str]:
        return [item.recording_id for item in self.outcomes if item.outcome == outcome]

    def _outcome(self, outcome: SealOutcome) -> None:
        self.outcomes.append(outcome)
        self.on_outcome(outcome)

    def sealer(self, executor: Callable[[], Executor] = threads) -> Sealer:
        return Sealer(
            self.desk.spool,
            self.archive,
            self.journal,
            SOFTWARE,
            self._outcome,
            executor=executor,
            close_seconds=0.05,
            first_retry_seconds=0.02,
        )

    @asynccontextmanager
    async def sealing(self, executor: Callable[[], Executor] = threads) -> AsyncIterator[Sealer]:
        sealer = self.sealer(executor)
        task = asyncio.create_task(sealer.run())
        try:
            yield sealer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never came true; outcomes: {self.outcomes}") from None

    async def settled(self) -> None:
        """Run a sealer until nothing waits and nothing is left to remove."""
        async with self.sealing():
            await self.until(self.all_done)

    def all_done(self) -> bool:
        return not self.journal.waiting and not self.noted()

    def noted(self) -> list[str]:
        return [path.name for path in self.archive.temporary_folder.glob("*.remove")]

    def archived(self) -> list[str]:
        root = self.archive.root
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    def is_sealed_once_and_clean(self, recording_id: str = "r1") -> bool:
        assert self.journal.waiting == {}
        assert self.desk.left() == []
        assert self.archived() == [f"{DAY}/{recording_id}.flac", f"{DAY}/{recording_id}.json"]
        assert verify.problems(self.archive, self.journal.done[recording_id]) == []
        return True


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_a_pending_recording_is_sealed_archived_and_only_then_removed(room: Room) -> None:
    room.add(room.desk.tones())
    seen: list[tuple[str, list[str]]] = []
    room.journal.strike = lambda when: seen.append((when, room.desk.left()))
    await room.settled()
    assert room.is_sealed_once_and_clean()
    files = ["r1-01-rx.wav", "r1-01-tx.wav"]
    assert ("before sealed", files) in seen
    assert ("after sealed", files) in seen
    assert [item.outcome for item in room.outcomes] == ["sealed"]
    assert room.outcomes[0].seconds > 0


async def test_the_oldest_is_sealed_first(room: Room) -> None:
    room.add(room.desk.tones("late", seconds=3), room.desk.tones("early", seconds=1))
    await room.settled()
    assert room.told("sealed") == ["early", "late"]


async def test_a_recording_that_comes_later_is_taken_on_notice(room: Room) -> None:
    async with room.sealing() as sealer:
        await room.until(lambda: sealer.backlog == 0)
        room.add(room.desk.tones())
        sealer.notify()
        await room.until(lambda: room.journal.done)
        await room.until(lambda: sealer.backlog == 0)


async def test_the_backlog_counts_what_waits(room: Room) -> None:
    room.add(room.desk.tones("a"), room.desk.tones("b"))
    sealer = room.sealer()
    told: list[int] = []
    room.on_outcome = lambda outcome: told.append(sealer.backlog)
    task = asyncio.create_task(sealer.run())
    await room.until(room.all_done)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told == [1, 0]


async def test_marks_are_told_and_kept(room: Room) -> None:
    quiet = wav(tone(1000, 1) * 0)
    room.add(room.desk.recording(room.desk.segment("r1", quiet, quiet)))
    await room.settled()
    assert room.outcomes[0].marks == room.journal.done["r1"].marks == ("silent",)


async def test_a_file_that_asterisk_never_closed_is_sealed_after_a_while(room: Room) -> None:
    crashed = wav(tone(1000, 1), closed=False)
    room.add(room.desk.recording(room.desk.segment("r1", crashed, crashed)))
    await room.settled()
    assert room.journal.done["r1"].marks == ("repaired",)
    assert room.is_sealed_once_and_clean()


async def test_a_recording_to_destroy_leaves_nothing_and_is_never_archived(room: Room) -> None:
    segment = room.desk.segment("r1", wav(tone(1000, 1)), b"garbage")
    room.add(room.desk.recording(segment, destroy=True))
    await room.settled()
    assert room.desk.left() == []
    assert room.archived() == []
    assert room.journal.ended == {"r1": ("destroyed", "hangup")}
    assert room.told("destroyed") == ["r1"]


async def test_no_file_on_the_spool_is_a_failed_recording(room: Room) -> None:
    room.add(room.desk.recording(room.desk.segment("r1", None, None)))
    await room.settled()
    assert room.journal.ended["r1"] == ("failed", "no file of the recording is on the spool")
    assert room.archived() == []


async def test_files_that_nobody_can_read_are_failed_and_kept_for_a_human(room: Room) -> None:
    room.add(room.desk.recording(room.desk.segment("r1", b"garbage", b"")))
    await room.settled()
    assert room.journal.ended["r1"] == ("failed", "no file of the recording can be read")
    assert room.desk.left() == ["r1-01-rx.wav", "r1-01-tx.wav"]


async def test_the_unreadable_file_of_a_sealed_pair_is_kept_for_a_human(room: Room) -> None:
    room.add(room.desk.recording(room.desk.segment("r1", wav(tone(1000, 1)), b"garbage")))
    await room.settled()
    assert "unreadable" in room.journal.done["r1"].marks
    assert room.desk.left() == ["r1-01-tx.wav"]


async def test_an_unmounted_spool_fails_nothing(room: Room) -> None:
    room.add(room.desk.tones())
    away = room.desk.spool.path.rename(room.desk.spool.path.with_name("away"))
    async with room.sealing():
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert room.outcomes[-1].reason == "spool"
        away.rename(room.desk.spool.path)
        await room.until(room.all_done)
    assert room.is_sealed_once_and_clean()


async def test_one_recording_that_fails_does_not_hold_up_the_others(room: Room) -> None:
    other_day = room.desk.recording(
        room.desk.segment("r0", wav(tone(1000, 1)), wav(tone(1300, 1)), start=-86_400.0),
        recording_id="r0",
        start=-86_400.0,
    )
    room.add(other_day, room.desk.tones())
    blocked = room.archive.root / "2026/11/22"
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"in the way")
    async with room.sealing():
        await room.until(lambda: room.told("sealed") == ["r1"])
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert set(room.told("retry")) == {"r0"}
        blocked.unlink()
        await room.until(room.all_done)
    assert room.told("sealed") == ["r1", "r0"]
    assert room.desk.left() == []


async def test_an_archive_that_cannot_be_used_is_tried_again_until_it_can(room: Room) -> None:
    room.add(room.desk.tones())
    room.archive.root.write_bytes(b"in the way")
    async with room.sealing():
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert {item.reason for item in room.outcomes} == {"archive"}
        assert len(room.desk.left()) == 2
        room.archive.root.unlink()
        await room.until(room.all_done)
    assert room.is_sealed_once_and_clean()


async def test_a_sidecar_that_cannot_be_placed_leaves_the_spool_alone(room: Room) -> None:
    room.add(room.desk.tones())
    in_the_way = room.archive.root / DAY / "r1.json" / "x"
    in_the_way.mkdir(parents=True)
    async with room.sealing():
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert len(room.desk.left()) == 2
        in_the_way.rmdir()
        in_the_way.parent.rmdir()
        await room.until(room.all_done)
    assert room.is_sealed_once_and_clean()


async def test_a_store_that_does_not_answer_is_asked_again(room: Room) -> None:
    room.add(room.desk.tones())
    refusals = iter(["pending", "pending", "before sealed", "before sealed"])
    refusal: list[str] = [next(refusals)]

    def strike(when: str) -> None:
        if refusal and when == refusal[0]:
            refusal[:] = [item for item in [next(refusals, "")] if item]
            raise ConnectionError("store is busy")

    room.journal.strike = strike
    await room.settled()
    assert len(room.told("retry")) == 4
    assert room.is_sealed_once_and_clean()


STEPS = ["pending", "before sealed", "after sealed"]


@pytest.mark.parametrize("step", STEPS)
async def test_a_kill_around_the_store_and_a_restart_end_in_the_same(room: Room, step: str) -> None:
    room.add(room.desk.tones())

    def strike(when: str) -> None:
        if when == step:
            raise Killed

    room.journal.strike = strike
    with pytest.raises(Killed):
        await room.sealer().run()
    assert len(room.desk.left()) == 2
    room.journal.strike = lambda when: None
    await room.settled()
    assert room.is_sealed_once_and_clean()
    assert room.told("failed") == []


@pytest.mark.parametrize("step", ["before destroyed", "after destroyed"])
async def test_a_kill_while_destroying_and_a_restart_end_in_the_same(room: Room, step: str) -> None:
    segment = room.desk.segment("r1", wav(tone(1000, 1)), wav(tone(1300, 1)))
    room.add(room.desk.recording(segment, destroy=True))

    def strike(when: str) -> None:
        if when == step:
            raise Killed

    room.journal.strike = strike
    with pytest.raises(Killed):
        await room.sealer().run()
    room.journal.strike = lambda when: None
    await room.settled()
    assert (room.desk.left(), room.archived()) == ([], [])
    assert room.journal.ended["r1"][0] == "destroyed"


class Deadly(ThreadPoolExecutor):
    """Runs jobs until the n-th, and then kills: before the work or after it."""

    def __init__(self, job: int, after: bool) -> None:
        super().__init__(1)
        self._left, self._after = job, after

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._left -= 1
        if self._left:
            return super().submit(work, *args, **kwargs)

        def fatal() -> None:
            if self._after:
                work(*args, **kwargs)
            raise Killed

        return super().submit(fatal)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("job", [1, 2])  # the sealing, the verifying
async def test_a_kill_around_the_work_and_a_restart_end_in_the_same(
    room: Room, job: int, after: bool
) -> None:
    room.add(room.desk.tones())
    with pytest.raises(Killed):
        await room.sealer(lambda: Deadly(job, after)).run()
    assert len(room.desk.left()) == 2
    assert room.journal.done == {}
    await room.settled()
    assert room.is_sealed_once_and_clean()


async def test_what_an_earlier_run_archived_is_taken_and_not_sealed_again(room: Room) -> None:
    room.add(room.desk.tones())
    room.journal.strike = lambda when: _kill_if(when == "before sealed")
    with pytest.raises(Killed):
        await room.sealer().run()
    audio = room.archive.root / DAY / "r1.flac"
    inode = audio.stat().st_ino
    room.journal.strike = lambda when: None
    await room.settled()
    assert audio.stat().st_ino == inode


async def test_an_archived_copy_that_is_damaged_is_sealed_again(room: Room) -> None:
    room.add(room.desk.tones())
    room.journal.strike = lambda when: _kill_if(when == "before sealed")
    with pytest.raises(Killed):
        await room.sealer().run()
    (room.archive.root / DAY / "r1.flac").write_bytes(b"damaged")
    room.journal.strike = lambda when: None
    await room.settled()
    assert room.is_sealed_once_and_clean()


async def test_a_recording_to_destroy_is_taken_out_of_the_archive_too(room: Room) -> None:
    recording = room.desk.tones()
    room.add(recording)
    room.journal.strike = lambda when: _kill_if(when == "before sealed")
    with pytest.raises(Killed):
        await room.sealer().run()
    assert len(room.archived()) == 3
    room.journal.strike = lambda when: None
    room.add(replace(recording, destroy=True))
    await room.settled()
    assert (room.desk.left(), room.archived()) == ([], [])


def _kill_if(condition: bool) -> None:
    if condition:
        raise Killed


async def test_files_that_could_not_be_removed_are_removed_later(room: Room) -> None:
    room.add(room.desk.tones())
    spool = room.desk.spool.path
    away = spool.with_name("away")
    room.journal.strike = lambda when: spool.rename(away) if when == "after sealed" else None
    async with room.sealing():
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert room.outcomes[-1].reason == "spool"
        away.rename(spool)
        await room.until(lambda: room.desk.left() == [] and not room.noted())
    assert room.told("sealed") == ["r1"]
    assert room.is_sealed_once_and_clean()


async def test_an_unmounted_spool_does_not_pass_for_destroyed_audio(room: Room) -> None:
    segment = room.desk.segment("r1", wav(tone(1000, 1)), wav(tone(1300, 1)))
    room.add(room.desk.recording(segment, destroy=True))
    away = room.desk.spool.path.rename(room.desk.spool.path.with_name("away"))
    async with room.sealing():
        await room.until(lambda: len(room.told("retry")) >= 2)
        assert room.journal.ended == {}
        away.rename(room.desk.spool.path)
        await room.until(lambda: room.journal.ended)
    assert room.desk.left() == []


class Faulty(ThreadPoolExecutor):
    """A disk that damages one byte between the first writing of a file and its reading."""

    def __init__(self, file: Path) -> None:
        super().__init__(1)
        self._file, self._jobs = file, 0

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._jobs += 1
        if self._jobs == 2:
            data = bytearray(self._file.read_bytes())
            data[-100] ^= 1
            self._file.write_bytes(data)
        return super().submit(work, *args, **kwargs)


async def test_a_copy_that_reads_back_wrong_is_made_again_before_the_spool_goes(room: Room) -> None:
    room.add(room.desk.tones())
    disk = Faulty(room.archive.root / DAY / "r1.flac")
    left: list[list[str]] = []
    room.journal.strike = lambda when: left.append(room.desk.left())
    async with room.sealing(lambda: disk):
        await room.until(room.all_done)
    assert [(item.outcome, item.reason) for item in room.outcomes] == [
        ("retry", "verify"),
        ("sealed", ""),
    ]
    assert {len(names) for names in left} == {2}
    assert room.is_sealed_once_and_clean()


class Gated(ThreadPoolExecutor):
    """Holds each job until the gate opens."""

    def __init__(self) -> None:
        super().__init__(1)
        self.begun, self.gate, self.ended = (threading.Event() for _ in range(3))

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def wait() -> Any:
            self.begun.set()
            self.gate.wait(WITHIN_SECONDS)
            result = work(*args, **kwargs)
            self.ended.set()
            return result

        return super().submit(wait)


async def test_a_stop_lets_the_step_in_hand_end_and_begins_no_other(room: Room) -> None:
    room.add(room.desk.tones())
    executor = Gated()
    task = asyncio.create_task(room.sealer(lambda: executor).run())
    await room.until(executor.begun.is_set)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    executor.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert executor.ended.is_set()
    assert room.journal.done == {}
    await room.settled()
    assert room.is_sealed_once_and_clean()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (OSError(122, "Disk quota exceeded"), "disk_full"),
        (BrokenProcessPool(), "worker_died"),
        (VerifyFailed("audio file changed"), "verify"),
        (SpoolError("gone"), "spool"),
        (ArchiveError("gone"), "archive"),
        (OSError(5, "I/O error"), "other"),
        (RuntimeError(), "other"),
    ],
)
def test_failures_are_counted_under_few_reasons(error: Exception, reason: str) -> None:
    assert retry_reason(error) == reason
