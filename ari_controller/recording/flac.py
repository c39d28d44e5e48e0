"""FLAC files with tags inside, by libsndfile: the one module that speaks to it.

libsndfile appends its own name to the software tag, cannot hold an empty tag or a file without
frames, and takes tags only before the first sample. A tag is UTF-8 of any length that was tried
(1 MB), but ends at a NUL.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import soundfile

from ari_controller.recording.job import SealError
from ari_controller.recording.join import BLOCK_FRAMES, Stereo

TAGS = ("title", "date", "software", "copyright", "license", "comment")


class FlacError(Exception):
    """A file is not FLAC, or damaged."""


@dataclass(frozen=True, slots=True)
class Flac:
    """What a FLAC file says about itself."""

    rate: int
    channels: int
    frames: int
    tags: Mapping[str, str]


def write(descriptor: int, rate: int, blocks: Iterable[Stereo], tags: Mapping[str, str]) -> None:
    """Write a stereo FLAC file into an open, empty file. Blocks must hold at least one frame.

    Raises OSError, or SealError where libsndfile alone is at fault.
    """
    try:
        with soundfile.SoundFile(
            descriptor, "w", rate, 2, "PCM_16", format="FLAC", closefd=False
        ) as file:
            for name in TAGS:
                if tags[name]:
                    setattr(file, name, tags[name])
            for block in blocks:
                file.write(block)
    except soundfile.LibsndfileError as error:
        # libsndfile does not tell why a write failed; a write of our own does.
        os.pwrite(descriptor, bytes(BLOCK_FRAMES), os.fstat(descriptor).st_size)
        raise SealError(f"cannot write FLAC: {error}") from error


def read(path: Path) -> Flac:
    """Decode the whole file, so that damage anywhere shows, and return what it says of itself."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format != "FLAC":
                raise FlacError(f"not FLAC but {file.format}")
            frames = sum(len(b) for b in file.blocks(BLOCK_FRAMES, dtype="int16", always_2d=True))
            tags = {name: str(getattr(file, name)) for name in TAGS}
            return Flac(file.samplerate, file.channels, frames, tags)
    except (soundfile.LibsndfileError, UnicodeDecodeError) as error:
        raise FlacError(f"cannot decode: {error}") from error
