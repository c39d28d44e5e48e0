"""Wav files as Asterisk leaves them (open, closed, killed), and recordings made of them."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ari_controller.core.model import SealedRecording, Segment, StoppedRecording
from ari_controller.recording.spool import Spool

Samples = npt.NDArray[np.int16]

RATE = 8000
STARTED_AT = 1_795_474_304.25  # 2026-11-23T22:51:44.250Z
NO_SAMPLES = np.zeros(0, np.int16)
FACTS: dict[str, object] = {
    "direction": "inbound",
    "parties": [
        {"role": "customer", "number": "+40*******67"},
        {"role": "agent", "endpoint": None},
    ],
    "policy": {"name": "suport-clienți", "version": "b1946ac9"},
    "consent": {"mode": "implied", "evidence": "notice played in full, call continued"},
    "purposes": ["îmbunătățirea calității", "instruirea personalului"],
    "legal_basis": "consent",
    "data_controller": {"name": "Smart Eco Plus SRL, Târgu Mureș"},
}
SOFTWARE = {"ari-controller": "0.1.0", "asterisk": "22.10.1"}


def tone(hz: float, seconds: float, rate: int = RATE) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return np.round(8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def wav(samples: Samples, *, rate: int = RATE, closed: bool = True) -> bytes:
    """Return the bytes of a wav; not `closed` has the zero sizes that Asterisk begins with."""
    data = samples.astype("<i2").tobytes()
    riff, size = (36 + len(data), len(data)) if closed else (0, 0)
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", size) + data


class Desk:
    """Puts recordings on a spool."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.spool = Spool(folder)

    def segment(
        self,
        recording_id: str,
        rx: bytes | None,
        tx: bytes | None,
        *,
        number: int = 1,
        start: float = 0.0,
        seconds: float = 1.0,
    ) -> Segment:
        names = self.spool.names(recording_id, number)
        for name, data in zip(names, (rx, tx), strict=True):
            if data is not None:
                (self.spool.path / name).write_bytes(data)
        began = STARTED_AT + start
        return Segment(number, *names, started_at=began, stopped_at=began + seconds)

    def recording(
        self, *segments: Segment, recording_id: str = "r1", destroy: bool = False, start: float = 0
    ) -> StoppedRecording:
        stops = [segment.stopped_at or segment.started_at for segment in segments]
        return StoppedRecording(
            recording_id=recording_id,
            call_id="c1",
            facts=dict(FACTS),
            segments=segments,
            started_at=STARTED_AT + start,
            stopped_at=max(stops, default=STARTED_AT) + start,
            stop_reason="hangup",
            retention_until="2027-05-23T22:51:44Z",
            destroy=destroy,
        )

    def tones(self, recording_id: str = "r1", seconds: float = 1.0) -> StoppedRecording:
        """Return a recording of 1000 Hz from the customer and 1300 Hz to them."""
        rx, tx = wav(tone(1000, seconds)), wav(tone(1300, seconds))
        segment = self.segment(recording_id, rx, tx, seconds=seconds)
        return self.recording(segment, recording_id=recording_id)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.spool.path.iterdir())


class Killed(BaseException):
    """Stands for SIGKILL: nothing but `finally` runs after it."""


class MemoryJournal:
    """The store as sealing sees it; `strike` is called before and after each write."""

    def __init__(self, *recordings: StoppedRecording) -> None:
        self.waiting = {item.recording_id: item for item in recordings}
        self.done: dict[str, SealedRecording] = {}
        self.ended: dict[str, tuple[str, str]] = {}
        self.strike: Callable[[str], object] = lambda when: None

    async def pending(self) -> list[StoppedRecording]:
        self.strike("pending")
        return list(self.waiting.values())

    async def sealed(self, recording: SealedRecording) -> None:
        self.strike("before sealed")
        self.done[recording.recording_id] = recording
        del self.waiting[recording.recording_id]
        self.strike("after sealed")

    async def recording_failed(self, recording_id: str, reason: str) -> None:
        self._end("failed", recording_id, reason)

    async def destroyed(self, recording_id: str, reason: str) -> None:
        self._end("destroyed", recording_id, reason)

    def _end(self, how: str, recording_id: str, reason: str) -> None:
        self.strike(f"before {how}")
        self.ended[recording_id] = (how, reason)
        del self.waiting[recording_id]
        self.strike(f"after {how}")
