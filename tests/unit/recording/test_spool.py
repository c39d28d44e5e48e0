import asyncio
import os
from pathlib import Path

import pytest

from ari_controller.recording.spool import NotAFile, Spool, SpoolError
from ari_controller.recording.wav import WavError
from tests.unit.recording.wavs import NO_SAMPLES, Desk, tone, wav

OPEN = wav(NO_SAMPLES, closed=False)
CLOSED = wav(tone(1000, 0.1))


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "spool")


def test_names_are_flat_and_tell_recording_segment_and_side(desk: Desk) -> None:
    assert desk.spool.names("0198c1d2", 1) == ("0198c1d2-01-rx.wav", "0198c1d2-01-tx.wav")
    assert desk.spool.absolute("a-01-rx.wav") == f"{desk.spool.path}/a-01-rx.wav"


@pytest.mark.parametrize(
    "evil", ["../x", "a/b", "a,b", "a b", "", ".hidden", "a\r\nAction: x", "é"]
)
def test_a_name_that_could_do_harm_is_refused(desk: Desk, evil: str) -> None:
    with pytest.raises(SpoolError):
        desk.spool.names(evil, 1)
    with pytest.raises(SpoolError):
        desk.spool.absolute(evil)


@pytest.mark.parametrize("path", ["relative", "/a,b", "/a b", "/a/../b", "/a)t(b", "/"])
def test_a_folder_that_could_do_harm_in_an_ami_value_is_refused(path: str) -> None:
    with pytest.raises(SpoolError, match="absolute path"):
        Spool(Path(path))


async def test_files_are_seen_when_both_exist(desk: Desk) -> None:
    assert await desk.spool.seen(desk.segment("a", OPEN, OPEN), timeout=0)


async def test_one_file_of_the_two_is_not_a_recording(desk: Desk) -> None:
    assert not await desk.spool.seen(desk.segment("a", OPEN, None), timeout=0)


async def test_files_that_come_a_little_late_are_waited_for(desk: Desk) -> None:
    segment = desk.segment("a", OPEN, None)
    waiting = asyncio.ensure_future(desk.spool.seen(segment, timeout=5))
    await asyncio.sleep(0)
    assert not waiting.done()
    desk.segment("a", None, OPEN)
    assert await waiting


async def test_a_link_is_not_seen_as_a_file(desk: Desk, tmp_path: Path) -> None:
    segment = desk.segment("a", OPEN, None)
    secret = tmp_path / "secret.wav"
    secret.write_bytes(CLOSED)
    (desk.spool.path / segment.tx).symlink_to(secret)
    assert not await desk.spool.seen(segment, timeout=0)


async def test_closed_means_a_good_header_in_both_files(desk: Desk) -> None:
    empty = wav(NO_SAMPLES, closed=True)
    assert await desk.spool.closed(desk.segment("a", CLOSED, CLOSED), timeout=0)
    assert await desk.spool.closed(desk.segment("b", empty, empty), timeout=0)
    assert not await desk.spool.closed(desk.segment("c", CLOSED, OPEN), timeout=0)
    assert not await desk.spool.closed(desk.segment("d", CLOSED, None), timeout=0)
    assert not await desk.spool.closed(desk.segment("e", CLOSED, b"garbage"), timeout=0)


def test_links_folders_and_pipes_are_never_opened(desk: Desk, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.wav"
    target.write_bytes(CLOSED)
    (desk.spool.path / "link.wav").symlink_to(target)
    (desk.spool.path / "folder.wav").mkdir()
    os.mkfifo(desk.spool.path / "pipe.wav")
    for name in ("link.wav", "folder.wav", "pipe.wav"):
        with pytest.raises(NotAFile):
            desk.spool.open(name)


def test_garbage_raises_wav_error_and_leaves_no_descriptor_open(desk: Desk) -> None:
    (desk.spool.path / "a.wav").write_bytes(b"garbage")
    before = open_descriptors()
    with pytest.raises(WavError):
        desk.spool.open("a.wav")
    assert open_descriptors() == before


def test_a_missing_spool_does_not_look_like_missing_recordings(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "not-mounted")
    segment = Desk(tmp_path / "other").segment("a", None, None)
    with pytest.raises(SpoolError, match="mounted"):
        spool.present(segment)


def test_removing_twice_is_no_error(desk: Desk) -> None:
    segment = desk.segment("a", CLOSED, b"garbage")
    desk.spool.remove(segment)
    desk.spool.remove(segment)
    assert desk.left() == []


def test_a_file_that_could_not_be_read_is_not_removed_as_archived(desk: Desk) -> None:
    segment = desk.segment("a", CLOSED, b"garbage")
    for name in (segment.rx, segment.tx, "missing.wav"):
        desk.spool.remove_read(name)
    assert desk.left() == [segment.tx]
