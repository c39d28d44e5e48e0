"""What passes between the daemon and its worker process: plain data and errors, without numpy."""

from dataclasses import dataclass
from pathlib import Path

from ari_controller.core.model import StoppedRecording
from ari_controller.recording.spool import Spool


class SealError(Exception):
    """The recording cannot be sealed as things stand; its files are untouched."""


class NothingToSeal(Exception):
    """Not one file of the recording can be read."""


@dataclass(frozen=True, slots=True)
class SealJob:
    """One recording to seal into `target`, a file in the archive's temporary folder.

    `software` names the versions that made the recording, `ari-controller` among them.
    """

    spool: Spool
    recording: StoppedRecording
    target: Path
    software: dict[str, str]
