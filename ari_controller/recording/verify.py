"""Reads archived recordings again and tells what is wrong. Synchronous: worker process and CLI."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ari_controller.core.model import SealedRecording, StoppedRecording
from ari_controller.recording import flac, sidecar
from ari_controller.recording.archive import LocalArchive
from ari_controller.recording.sidecar import Sidecar, SidecarError


def problems(archive: LocalArchive, expected: SealedRecording) -> list[str]:
    """Return what is wrong with a recording, in words; an empty list when it is intact.

    `expected` is what the store says. The audio is hashed and decoded whole, and the sidecar, the
    tags inside the audio and the store must agree. Raises OSError when the archive cannot be read.
    """
    audio, facts = archive.audio(expected.path), archive.sidecar(expected.path)
    found: list[str] = []
    if not audio.is_file():
        found.append("audio file missing")
    if not facts.is_file():
        found.append("sidecar missing")
    if found:
        return found
    size_bytes, sha256 = _digest(audio)
    if (size_bytes, sha256) != (expected.size_bytes, expected.sha256):
        found.append("audio file changed: its size or SHA-256 is not the store's")
    try:
        document = sidecar.load(facts.read_bytes())
        if sidecar.sealed(document, expected.path) != expected:
            found.append("sidecar and store differ")
        if document.audio.file != audio.name:
            found.append("sidecar names another audio file")
        found += _audio_problems(audio, document)
    except SidecarError as error:
        found.append(f"sidecar unreadable: {error}")
    return found


def stored(archive: LocalArchive, path: str, recording: StoppedRecording) -> SealedRecording | None:
    """Return what an earlier run archived of this recording; None unless it is there and intact."""
    try:
        found = sidecar.sealed(sidecar.load(archive.sidecar(path).read_bytes()), path)
    except (FileNotFoundError, SidecarError):
        return None
    intact = found.recording_id == recording.recording_id and not problems(archive, found)
    return found if intact else None


def strays(archive: LocalArchive, known: Iterable[str]) -> Iterator[str]:
    """Yield the files in the archive, by relative path, that belong to no known audio path."""
    expected = {file for path in known for file in (archive.audio(path), archive.sidecar(path))}
    for file in sorted(archive.root.glob("*/*/*/*")):
        if file not in expected:
            yield str(file.relative_to(archive.root))


def _audio_problems(audio: Path, document: Sidecar) -> list[str]:
    try:
        found = flac.read(audio)
    except flac.FlacError as error:
        return [f"audio unreadable: {error}"]
    said = document.audio
    problems = []
    if (found.rate, found.frames, found.channels) != (said.sample_rate, said.frames, 2):
        problems.append("sidecar and audio differ in rate, length or channels")
    expected = sidecar.tags(document)
    for name in flac.TAGS:
        text = found.tags[name]
        # libsndfile adds its own name behind ours.
        same = text.startswith(expected[name]) if name == "software" else text == expected[name]
        if not same:
            problems.append(f"sidecar and the audio's {name} tag differ")
    return problems


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        # Ask the disk, not the memory of what was just written.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, sha256
