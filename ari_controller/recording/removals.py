"""Which spool files may go, written down in the archive before the store hears of the sealing.

Once a recording is sealed nobody asks for it again: without this note a crash between "sealed" and
the removal would leave its audio on the spool for ever.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ari_controller.core.model import Segment
from ari_controller.recording import durable
from ari_controller.recording.spool import Spool


@dataclass(frozen=True, slots=True)
class Removals:
    """Notes in `folder`, one per recording: the files that its archive copy replaces."""

    folder: Path
    spool: Spool

    def note(self, recording_id: str, segments: tuple[Segment, ...]) -> None:
        """Write down that these files may go as soon as the store says sealed."""
        names = [name for segment in segments for name in (segment.rx, segment.tx)]
        path = self._path(recording_id)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(names))
            file.flush()
            os.fsync(file.fileno())
        durable.replace(temporary, path)

    def carry_out(self, recording_id: str) -> None:
        """Remove the files of one note, then the note; nothing where nothing is noted."""
        path = self._path(recording_id)
        if not path.exists():
            return
        for name in msgspec.json.decode(path.read_bytes(), type=list[str]):
            self.spool.remove_read(name)
        durable.remove(path)

    def noted(self) -> list[str]:
        """Return the recordings that still have files to remove."""
        return sorted(path.name.removesuffix(".remove") for path in self.folder.glob("*.remove"))

    def _path(self, recording_id: str) -> Path:
        return self.folder / f"{recording_id}.remove"
