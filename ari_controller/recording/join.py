"""Segments on the wall clock: one stereo stream, left = customer (rx), right = agent (tx)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ari_controller.recording.job import SealError
from ari_controller.recording.track import Track
from ari_controller.recording.wav import RATES

Stereo = npt.NDArray[np.int16]  # shape (frames, 2)

BLOCK_FRAMES = 65_536
# No call pauses its recording for so long: a longer gap is a clock that was set, and filling it
# could fill the disk.
LONGEST_GAP_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Take:
    """What there is of one segment; None where a file is missing. `started_at` is Unix seconds."""

    started_at: float
    customer: Track | None
    agent: Track | None

    @property
    def frames(self) -> int:
        """Tell the length of the longer side; the shorter is padded with silence."""
        return max((track.samples for track in (self.customer, self.agent) if track), default=0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Each take with the frame at which it starts; takes never overlap."""

    rate: int
    frames: int
    takes: tuple[tuple[int, Take], ...]


def place(takes: Sequence[Take]) -> Timeline:
    """Place takes, in the order of their segments, by when they started.

    Gaps become silence. A take that would begin inside the one before it (a clock set back, a
    late stop) begins behind it instead, so that no audio is lost. Raises SealError.
    """
    tracks = [track for take in takes for track in (take.customer, take.agent) if track]
    rates = {track.layout.rate for track in tracks} or {RATES[0]}
    if len(rates) > 1:
        raise SealError(f"segments of different sample rates: {sorted(rates)}")
    rate = rates.pop()
    placed: list[tuple[int, Take]] = []
    end = 0
    for take in takes:
        start = round((take.started_at - takes[0].started_at) * rate)
        if not end <= start <= end + LONGEST_GAP_SECONDS * rate:
            start = end
        if take.frames:
            end = start + take.frames
        placed.append((start, take))
    return Timeline(rate, end, tuple(placed))


def blocks(timeline: Timeline, block_frames: int = BLOCK_FRAMES) -> Iterator[Stereo]:
    """Yield the joined audio in order, in blocks of `block_frames` (the last may be shorter)."""
    for first in range(0, timeline.frames, block_frames):
        count = min(block_frames, timeline.frames - first)
        block = np.zeros((count, 2), np.int16)
        for start, take in timeline.takes:
            begin, end = max(first, start), min(first + count, start + take.frames)
            if begin < end:
                for side, track in enumerate((take.customer, take.agent)):
                    if track:
                        part = track.read(begin - start, end - begin)
                        block[begin - first : end - first, side] = part
        yield block
