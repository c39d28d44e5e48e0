"""The local archive: YYYY/MM/DD/<recording id>.flac with a .json beside it (UTC date of the start).

Both are written elsewhere in the archive and renamed into place, the sidecar last: a recording is
there when its sidecar is.
"""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ari_controller.core.model import StoppedRecording
from ari_controller.recording import durable, sidecar
from ari_controller.recording.sidecar import Sidecar
from ari_controller.recording.spool import NAME

_PATH = re.compile(rf"[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/{NAME.pattern}\.flac")


class ArchiveError(Exception):
    """The archive cannot be used as it stands."""


@dataclass(frozen=True, slots=True)
class LocalArchive:
    """A folder tree here; `mode` is of the files, folders get `x` where files have `r`."""

    root: Path
    mode: int = 0o640
    group: str | None = None

    def prepare(self) -> None:
        """Make the folders that every recording needs; ArchiveError says what is in the way."""
        try:
            self._make_folder(self.temporary_folder)
            if not os.access(self.temporary_folder, os.W_OK | os.X_OK):
                raise PermissionError(f"{self.temporary_folder} is not writable")
        except (OSError, LookupError) as error:
            raise ArchiveError(
                f"archive {self.root}: {error}. It must be a folder that this user may write to, "
                "on a mounted file system, and the group must be one of this user's."
            ) from error

    @property
    def temporary_folder(self) -> Path:
        """Tell where unfinished files are, on the archive's own file system."""
        return self.root / ".tmp"

    def temporary(self, recording_id: str) -> Path:
        """Return where the audio file of a recording grows."""
        return self.temporary_folder / f"{_checked(recording_id)}.flac"

    def path_of(self, recording: StoppedRecording) -> str:
        """Return where a recording belongs, relative to the root."""
        day = datetime.fromtimestamp(recording.started_at, UTC)
        return f"{day:%Y/%m/%d}/{_checked(recording.recording_id)}.flac"

    def audio(self, path: str) -> Path:
        """Return the audio file of a relative path; ArchiveError for a path that leads outside."""
        if not _PATH.fullmatch(path):
            raise ArchiveError(f"archive path {path!r}: expected YYYY/MM/DD/<recording id>.flac")
        return self.root / path

    def sidecar(self, path: str) -> Path:
        """Return the sidecar of a relative path of an audio file."""
        return self.audio(path).with_suffix(".json")

    async def store(self, path: str, document: Sidecar) -> None:
        """Move the finished temporary file of a recording to `path`, its sidecar after it.

        Does the same again after a crash at any point. Raises OSError or ArchiveError.
        """
        audio = self.temporary(document.recording_id)
        facts = audio.with_suffix(".json")
        await sidecar.write(facts, document)
        await asyncio.to_thread(self._move, audio, self.audio(path))
        await asyncio.to_thread(self._move, facts, self.sidecar(path))

    def erase(self, path: str) -> None:
        """Remove a recording and all that is left of making it; what is gone is no error."""
        audio = self.audio(path)
        temporary = self.temporary(audio.stem)
        # Sidecar last, as when storing: while it is there, so may be something to erase.
        for file in (temporary, temporary.with_suffix(".json"), audio, self.sidecar(path)):
            durable.remove(file)

    def _move(self, source: Path, target: Path) -> None:
        source.chmod(self.mode)
        if self.group is not None:
            shutil.chown(source, group=self.group)
        self._make_folder(target.parent)
        durable.replace(source, target)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self._own(folder)
        durable.sync_folder(folder.parent)

    def _own(self, folder: Path) -> None:
        if self.group is not None:
            shutil.chown(folder, group=self.group)
        folder.chmod(self.mode | (self.mode & 0o444) >> 2)


def _checked(recording_id: str) -> str:
    if not NAME.fullmatch(recording_id):
        raise ArchiveError(f"recording id {recording_id!r}: only letters, digits, . _ -")
    return recording_id
