"""The samples of one wav file, read piece by piece: a call may be hours long."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ari_controller.recording.wav import Layout

Samples = npt.NDArray[np.int16]
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Track:
    """An open wav file and its layout. The file is only read; a repair happens on what is read."""

    descriptor: int
    layout: Layout

    @property
    def samples(self) -> int:
        """Tell how many samples there are, by the file's size if the header does not say."""
        return self.layout.samples

    def read(self, start: int, count: int) -> Samples:
        """Return `count` samples from `start`; silence where the file ends earlier."""
        samples = np.zeros(count, np.int16)
        wanted = max(0, min(count, self.samples - start))
        offset = self.layout.offset + start * _SAMPLE_BYTES
        data = os.pread(self.descriptor, wanted * _SAMPLE_BYTES, offset)
        found = np.frombuffer(data, "<i2", len(data) // _SAMPLE_BYTES)
        samples[: len(found)] = found
        return samples
