"""What one party of a call heard: the audio and the digits that reached it, with their times."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lab.g711 import Samples


class Frame(NamedTuple):
    """One received RTP packet's audio.

    `at` is the event loop's (monotonic) time in seconds, `timestamp` the sender's, in samples.
    """

    at: float
    samples: Samples
    timestamp: int = 0


class Digit(NamedTuple):
    """One received RFC 4733 event; `at` as in Frame."""

    at: float
    digit: str


class Heard:
    """Everything received, oldest first, and the RTP sequence number that it began with."""

    def __init__(self) -> None:
        self.first_sequence: int | None = None
        self.frames: list[Frame] = []
        self.digits: list[Digit] = []

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def samples(self, since: float | None = None, until: float | None = None) -> Samples:
        """Join the frames that arrived in [since, until); times in which none came leave no gap."""
        chosen = [
            frame.samples
            for frame in self.frames
            if (since is None or frame.at >= since) and (until is None or frame.at < until)
        ]
        return np.concatenate(chosen) if chosen else np.zeros(0, np.int16)

    def latest(self, seconds: float, rate: int = 8000) -> Samples:
        """Join the last frames that together hold `seconds`, fewer if fewer came."""
        wanted = int(seconds * rate)
        chosen: list[Samples] = []
        for frame in reversed(self.frames):
            if wanted <= 0:
                break
            chosen.append(frame.samples)
            wanted -= len(frame.samples)
        return np.concatenate(chosen[::-1]) if chosen else np.zeros(0, np.int16)

    @property
    def dialled(self) -> str:
        """The received digits as one string."""
        return "".join(digit.digit for digit in self.digits)
