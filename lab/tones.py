"""Tones as voices: make them, measure them, wait for them.

Levels are amplitudes of a sine in 16-bit sample units (full scale 32767), whatever the window.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import soundfile

from lab.g711 import Samples
from lab.heard import Heard

RATE = 8000
AMPLITUDE = 8000
AUDIBLE = 1000.0


class Listener(Protocol):
    """Anything that keeps what it heard, such as a Call."""

    @property
    def heard(self) -> Heard:
        """What reached it."""


class Wav(NamedTuple):
    """A sound file: one array of samples per channel, left first, and the rate in Hz."""

    channels: list[Samples]
    rate: int


def tone(hz: float, seconds: float, rate: int = RATE, amplitude: int = AMPLITUDE) -> Samples:
    """Make a sine that starts at phase zero."""
    time = np.arange(round(seconds * rate)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def level(samples: Samples, hz: float, rate: int = RATE) -> float:
    """Measure the amplitude of one tone by a Hann-windowed DFT.

    A window of T seconds tells tones apart that differ by 2/T Hz: 40 Hz for 50 ms.
    """
    if len(samples) < 2:
        return 0.0
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * hz / rate * np.arange(len(samples)))
    return float(2 * abs(np.dot(samples * window, turn)) / window.sum())


def timeline(
    samples: Samples, tones: Iterable[float], window: float = 0.05, rate: int = RATE
) -> list[tuple[float, dict[float, float]]]:
    """Measure each tone in each full window; times are seconds from the first sample."""
    wanted = tuple(tones)
    length = round(window * rate)
    return [
        (start / rate, {hz: level(samples[start : start + length], hz, rate) for hz in wanted})
        for start in range(0, len(samples) - length + 1, length)
    ]


def seconds_of(
    source: Listener | Samples,
    hz: float,
    threshold: float = AUDIBLE,
    window: float = 0.05,
    rate: int = RATE,
) -> float:
    """Add up the windows in which the tone is at least `threshold` loud."""
    samples = source if isinstance(source, np.ndarray) else source.heard.samples()
    loud = [levels[hz] >= threshold for _, levels in timeline(samples, [hz], window, rate)]
    return sum(loud) * window


def hears(
    source: Listener | Samples, hz: float, *, for_seconds: float = 0.1, threshold: float = AUDIBLE
) -> bool:
    """Tell whether the tone was there for at least `for_seconds` in all."""
    return seconds_of(source, hz, threshold) >= for_seconds - 1e-9


async def await_tone(
    listener: Listener, hz: float, within: float = 5.0, *, threshold: float = AUDIBLE
) -> float:
    """Wait until the tone fills the last 100 ms heard after this call; return the loop's time.

    Raises TimeoutError that says what was heard instead.
    """
    loop = asyncio.get_running_loop()
    begun, heard = loop.time(), listener.heard
    while loop.time() - begun < within:
        recent = [frame for frame in heard.frames[-5:] if frame.at >= begun]
        if len(recent) == 5 and level(heard.latest(0.1), hz) >= threshold:
            return recent[-1].at
        await asyncio.sleep(0.02)
    raise TimeoutError(
        f"{hz:g} Hz was not heard within {within:g} s; the last 100 ms: "
        f"{describe(heard.latest(0.1))}; frames since: {len(heard.samples(begun)) // 160}"
    )


def describe(samples: Samples, rate: int = RATE) -> str:
    """Name the strongest tone for a message to a person."""
    if len(samples) == 0:
        return "nothing"
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    hz = int(spectrum.argmax()) * rate / len(samples)
    loudness = level(samples, hz, rate)
    return f"about {hz:.0f} Hz at level {loudness:.0f}" if loudness >= 1 else "silence"


def wav_channels(path: Path) -> Wav:
    """Read a sound file (wav, FLAC) channel by channel."""
    data, rate = soundfile.read(path, dtype="int16", always_2d=True)
    return Wav([np.ascontiguousarray(data[:, i]) for i in range(data.shape[1])], int(rate))


def write_wav(path: Path, samples: Samples, rate: int = RATE) -> None:
    """Write a 16-bit mono wav, such as Asterisk plays."""
    soundfile.write(path, samples, rate, subtype="PCM_16")
