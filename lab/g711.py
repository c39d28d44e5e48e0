"""G.711: mu-law and A-law to linear 16-bit samples and back, by table."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
CodecName = Literal["ulaw", "alaw"]


def _ulaw_decoded() -> Samples:
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)


def _alaw_decoded() -> Samples:
    code = np.arange(256) ^ 0x55
    segment = (code & 0x70) >> 4
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(
        segment == 0, mantissa + 0x008, (mantissa + 0x108) << np.maximum(segment - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encoded(decoded: Samples) -> npt.NDArray[np.uint8]:
    """Return the nearest code for each of the 65536 sample values, indexed from -32768."""
    codes = np.argsort(decoded, kind="stable")
    values = decoded[codes].astype(np.int32)
    borders = (values[1:] + values[:-1]) / 2
    return codes[np.searchsorted(borders, np.arange(-32768, 32768), side="right")].astype(np.uint8)


@dataclass(frozen=True)
class Codec:
    """One G.711 law with its static RTP payload type (RFC 3551)."""

    name: str
    payload_type: int
    decoded: Samples = field(repr=False, compare=False)
    encoded: npt.NDArray[np.uint8] = field(repr=False, compare=False)

    def encode(self, samples: Samples) -> bytes:
        """Encode samples, one byte each."""
        return self.encoded[samples.astype(np.int32) + 32768].tobytes()

    def decode(self, payload: bytes | bytearray) -> Samples:
        """Decode bytes, one sample each."""
        return self.decoded[np.frombuffer(payload, np.uint8)]


ULAW = Codec("PCMU", 0, _ulaw_decoded(), _encoded(_ulaw_decoded()))
ALAW = Codec("PCMA", 8, _alaw_decoded(), _encoded(_alaw_decoded()))
CODECS: dict[CodecName, Codec] = {"ulaw": ULAW, "alaw": ALAW}
