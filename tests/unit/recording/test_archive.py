import grp
import json
import os
from pathlib import Path

import pytest

from ari_controller.core.model import SealedRecording, StoppedRecording
from ari_controller.recording import sidecar, verify
from ari_controller.recording.archive import ArchiveError, LocalArchive
from ari_controller.recording.job import SealJob
from ari_controller.recording.seal import seal
from tests.unit.recording.wavs import SOFTWARE, Desk, tone, wav

PATH = "2026/11/23/r1.flac"


class Store:
    """One archive, and recordings sealed into it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder / "spool")
        self.archive = LocalArchive(folder / "archive")
        self.archive.prepare()

    async def store(self, recording: StoppedRecording | None = None) -> SealedRecording:
        recording = recording or self.desk.tones()
        target = self.archive.temporary(recording.recording_id)
        document = seal(SealJob(self.desk.spool, recording, target, SOFTWARE))
        path = self.archive.path_of(recording)
        await self.archive.store(path, document)
        return sidecar.sealed(document, path)

    def problems(self, expected: SealedRecording) -> str:
        return "; ".join(verify.problems(self.archive, expected))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


async def test_a_stored_recording_lies_in_its_day_and_is_intact(store: Store) -> None:
    stored = await store.store()
    assert stored.path == PATH
    assert store.archive.audio(PATH).is_file()
    assert store.archive.sidecar(PATH).name == "r1.json"
    assert store.problems(stored) == ""
    assert list(store.archive.temporary_folder.iterdir()) == []


async def test_files_and_folders_have_the_rights_that_were_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    group = grp.getgrgid(os.getgid()).gr_name
    store.archive = LocalArchive(tmp_path / "shared" / "archive", mode=0o644, group=group)
    previous = os.umask(0o077)
    try:
        store.archive.prepare()
        await store.store()
    finally:
        os.umask(previous)
    assert store.archive.audio(PATH).stat().st_mode & 0o777 == 0o644
    assert store.archive.sidecar(PATH).stat().st_mode & 0o777 == 0o644
    assert store.archive.audio(PATH).stat().st_gid == os.getgid()
    assert store.archive.audio(PATH).parent.stat().st_mode & 0o777 == 0o755


def test_a_group_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no-such-group"):
        LocalArchive(tmp_path / "archive", group="no-such-group").prepare()


async def test_storing_again_replaces_what_a_crash_left(store: Store) -> None:
    recording = store.desk.tones()
    store.archive.audio(PATH).parent.mkdir(parents=True)
    store.archive.audio(PATH).write_bytes(b"half a file")
    assert verify.stored(store.archive, PATH, recording) is None
    stored = await store.store(recording)
    assert verify.stored(store.archive, PATH, recording) == stored


async def test_erasing_leaves_nothing_and_may_be_done_again(store: Store) -> None:
    await store.store()
    store.archive.temporary("r1").write_bytes(b"half a file")
    store.archive.erase(PATH)
    store.archive.erase(PATH)
    assert [path for path in store.archive.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "path", ["../r1.flac", "/etc/passwd", "2026/11/23/../r1.flac", "2026/11/23/.x.flac", "r1.flac"]
)
def test_a_path_that_leads_elsewhere_is_refused(store: Store, path: str) -> None:
    with pytest.raises(ArchiveError, match="expected YYYY/MM/DD"):
        store.archive.audio(path)
    with pytest.raises(ArchiveError, match="expected YYYY/MM/DD"):
        store.archive.erase(path)


def test_an_archive_that_is_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"")
    with pytest.raises(ArchiveError, match="must be a folder"):
        LocalArchive(tmp_path / "archive").prepare()


async def test_missing_files_are_named(store: Store) -> None:
    stored = await store.store()
    store.archive.sidecar(PATH).unlink()
    assert store.problems(stored) == "sidecar missing"
    store.archive.audio(PATH).unlink()
    assert store.problems(stored) == "audio file missing; sidecar missing"


async def test_a_changed_byte_in_the_audio_is_found(store: Store) -> None:
    stored = await store.store()
    audio = store.archive.audio(PATH)
    data = bytearray(audio.read_bytes())
    data[-100] ^= 1
    audio.write_bytes(data)
    assert "audio file changed" in store.problems(stored)
    assert "audio unreadable" in store.problems(stored)


async def test_a_changed_sidecar_is_found_because_the_tags_say_otherwise(store: Store) -> None:
    stored = await store.store()
    facts = store.archive.sidecar(PATH)
    document = json.loads(facts.read_bytes())
    document["facts"]["consent"]["evidence"] = "said yes"
    facts.write_text(json.dumps(document), encoding="utf-8")
    assert store.problems(stored) == "sidecar and the audio's comment tag differ"


async def test_a_recording_swapped_for_another_with_its_own_sidecar_is_found(store: Store) -> None:
    stored = await store.store()
    louder = store.desk.segment("r1", wav(tone(500, 1)), wav(tone(700, 1)))
    await store.store(store.desk.recording(louder))
    assert "audio file changed" in store.problems(stored)
    assert "sidecar and store differ" in store.problems(stored)


async def test_a_sidecar_that_is_no_sidecar_is_found(store: Store) -> None:
    stored = await store.store()
    store.archive.sidecar(PATH).write_bytes(b"{}")
    assert "sidecar unreadable" in store.problems(stored)
    assert verify.stored(store.archive, PATH, store.desk.tones()) is None


async def test_files_that_no_recording_owns_are_found(store: Store) -> None:
    await store.store()
    assert list(verify.strays(store.archive, [PATH])) == []
    (store.archive.audio(PATH).parent / "copy.flac").write_bytes(b"")
    assert list(verify.strays(store.archive, [PATH])) == ["2026/11/23/copy.flac"]
    assert "2026/11/23/r1.json" in list(verify.strays(store.archive, []))
