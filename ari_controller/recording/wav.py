"""The header of the wav files that Asterisk writes: 16-bit PCM, mono, 8 or 16 kHz.

Asterisk writes the two sizes only when it closes a file (docs/archive-format.md): RIFF size 0
means open, or left by a crash. A closed file without audio has RIFF size 36 and data size 0.
"""

import struct
from dataclasses import dataclass

HEAD_BYTES = 4096  # Asterisk's header has 44; the rest is room for chunks of other writers
RATES = (8000, 16000)
_PCM = 1
_FMT_BYTES = 16
_RIFF_BYTES = 12
_CHUNK_BYTES = 8


class WavError(Exception):
    """The bytes are not a wav file that can be read."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples are. `closed` is False when the sizes in the header are not the file's."""

    rate: int
    offset: int
    samples: int
    closed: bool


def layout(head: bytes, size_bytes: int) -> Layout:
    """Read a header; `head` is the first HEAD_BYTES (or all) of a file of `size_bytes`.

    A missing or wrong data size is taken from the file's size. Raises WavError only.
    """
    if len(head) < _RIFF_BYTES or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise WavError("not a wav file: no RIFF/WAVE header")
    riff_size = _uint32(head, 4)
    rate: int | None = None
    position = _RIFF_BYTES
    while position + _CHUNK_BYTES <= len(head):
        name, size = head[position : position + 4], _uint32(head, position + 4)
        position += _CHUNK_BYTES
        if name == b"fmt ":
            rate = _rate(head[position : position + _FMT_BYTES])
        elif name == b"data":
            if rate is None:
                raise WavError("not a wav file: samples before the format")
            rest = max(0, size_bytes - position)
            closed = riff_size == size_bytes - _CHUNK_BYTES and size == rest
            used = size if 0 < size < rest else rest
            return Layout(rate, position, used // 2, closed)
        position += size + size % 2
    raise WavError("not a wav file: no samples in it")


def _rate(fmt: bytes) -> int:
    if len(fmt) < _FMT_BYTES:
        raise WavError("not a wav file: the format is cut off")
    codec, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt)
    if (codec, channels, bits) != (_PCM, 1, 16) or rate not in RATES:
        raise WavError(
            f"cannot read wav with codec {codec}, {channels} channels, {rate} Hz, {bits} bits: "
            "only 16-bit PCM, mono, 8000 or 16000 Hz"
        )
    return int(rate)


def _uint32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
