"""The folder Asterisk writes into, one flat folder of wav pairs.

Asterisk's user may write here, so nothing in it is trusted: names are checked, symbolic links and
anything but plain files refused.
"""

import asyncio
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ari_controller.core.model import Segment
from ari_controller.recording import durable
from ari_controller.recording.wav import HEAD_BYTES, Layout, WavError, layout

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
# The path goes into an AMI value, where a comma would begin options and a shell command.
_FOLDER = re.compile(r"/[A-Za-z0-9._/-]+")
_POLL_SECONDS = 0.005


class SpoolError(Exception):
    """The spool cannot be used as it stands."""


class NotAFile(WavError):
    """A name on the spool stands for a link, a folder or a device: planted, never read."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The spool folder. Raises SpoolError for a path or name that must not reach Asterisk."""

    path: Path

    def __post_init__(self) -> None:
        if not _FOLDER.fullmatch(str(self.path)) or ".." in self.path.parts:
            raise SpoolError(
                f"spool path {str(self.path)!r}: give an absolute path of letters, digits, . _ - /"
            )

    def names(self, recording_id: str, segment_number: int) -> tuple[str, str]:
        """Return the names of a segment's two files: from the customer, to the customer."""
        stem = f"{recording_id}-{segment_number:02d}"
        return _checked(f"{stem}-rx.wav"), _checked(f"{stem}-tx.wav")

    def absolute(self, name: str) -> str:
        """Return the path to give to MixMonitor."""
        return str(self.path / _checked(name))

    async def seen(self, segment: Segment, timeout: float = 1.0) -> bool:  # noqa: ASYNC109
        """Wait until both files exist; False when they do not in `timeout` seconds.

        Only this says that a recording started: MixMonitor answers Success without files too.
        """
        return await _soon(lambda: all(map(self._exists, (segment.rx, segment.tx))), timeout)

    async def closed(self, segment: Segment, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until Asterisk has closed both files; False when not in `timeout` seconds."""
        return await _soon(lambda: all(map(self._closed, (segment.rx, segment.tx))), timeout)

    def present(self, segment: Segment) -> tuple[str, ...]:
        """Return which of a segment's names exist; SpoolError when the folder itself is gone.

        A spool that is not mounted must not look like recordings that were lost.
        """
        self._require_folder()
        return tuple(name for name in (segment.rx, segment.tx) if os.path.lexists(self._at(name)))

    def open(self, name: str) -> tuple[int, Layout]:
        """Open one file for reading; returns the descriptor, which the caller closes.

        Raises WavError for what is no wav file, FileNotFoundError, other OSError.
        """
        # O_NONBLOCK: a planted named pipe must not hang us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._at(name), flags)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise NotAFile("a symbolic link or a socket") from error
            raise
        try:
            return descriptor, _layout(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def last_written(self, segments: Iterable[Segment]) -> float:
        """Return when Asterisk last wrote into one of the files, in Unix seconds; 0.0 for none."""
        names = [name for segment in segments for name in (segment.rx, segment.tx)]
        written = (self._at(name).lstat().st_mtime for name in names if self._exists(name))
        return max(written, default=0.0)

    def remove(self, segment: Segment) -> None:
        """Remove both files of a segment, whatever is in them; missing ones are no error."""
        for name in (segment.rx, segment.tx):
            durable.remove(self._at(name))

    def remove_read(self, name: str) -> None:
        """Remove a file whose samples are archived; one that cannot be read stays for a human.

        Raises SpoolError when the folder itself is gone.
        """
        self._require_folder()
        try:
            os.close(self.open(name)[0])
        except (FileNotFoundError, WavError):
            return
        durable.remove(self._at(name))

    def _require_folder(self) -> None:
        if not self.path.is_dir():
            raise SpoolError(f"spool folder {self.path} is missing: is its file system mounted?")

    def _exists(self, name: str) -> bool:
        try:
            return stat.S_ISREG(self._at(name).lstat().st_mode)
        except OSError:
            return False

    def _closed(self, name: str) -> bool:
        try:
            descriptor, found = self.open(name)
        except (OSError, WavError):
            return False
        os.close(descriptor)
        return found.closed

    def _at(self, name: str) -> Path:
        return self.path / _checked(name)


def _layout(descriptor: int) -> Layout:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotAFile("not a plain file")
    return layout(os.pread(descriptor, HEAD_BYTES, 0), status.st_size)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise SpoolError(f"spool name {name!r}: only letters, digits, . _ - and no leading dot")
    return name


async def _soon(condition: Callable[[], bool], seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
