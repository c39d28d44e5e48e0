"""Samples: resampling, trimming, levels, tones. Samples are float64 in -1 to 1, mono."""

import io
import wave

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

SAMPLE_RATE = 8000
PEAK = 10 ** (-3 / 20)
MARGIN_SECONDS = 0.1
QUIET = 0.01
"""Of the peak: softer than this before the first word and after the last is silence."""

SILENT = 0.003
"""No speech has its loudest sample below -50 dBFS."""

ZERO_CROSSINGS = 32
PASSBAND = 0.46
"""Of the lower rate: 3.68 kHz at 8 kHz, beyond what a telephone carries."""
BLOCK = 8192


def decode(wav: bytes) -> tuple[Samples, int]:
    """Return the samples of a 16 bit mono wav and their rate; raise ValueError."""
    try:
        with wave.open(io.BytesIO(wav)) as reader:
            if (reader.getsampwidth(), reader.getnchannels()) != (2, 1):
                raise ValueError("must be 16 bit mono")
            frames, rate = reader.readframes(reader.getnframes()), reader.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a wav file: {error}") from None
    return np.frombuffer(frames[: len(frames) // 2 * 2], "<i2").astype(np.float64) / 32768, rate


def encode(samples: Samples) -> bytes:
    """Return the bytes of an 8 kHz, 16 bit mono wav; the same samples give the same bytes."""
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def resample(samples: Samples, rate: int) -> Samples:
    """Bring samples from `rate` to 8 kHz by a Blackman-windowed sinc low-pass."""
    if rate == SAMPLE_RATE:
        return samples
    cutoff = PASSBAND * min(rate, SAMPLE_RATE) / rate
    half = int(np.ceil(ZERO_CROSSINGS / (2 * cutoff)))
    padded = np.pad(samples, half + 1)
    taps = np.arange(-half, half + 1)
    count = len(samples) * SAMPLE_RATE // rate
    blocks = []
    for start in range(0, count, BLOCK):
        positions = np.arange(start, min(start + BLOCK, count)) * (rate / SAMPLE_RATE)
        nearest = np.rint(positions).astype(np.int64)
        distance = nearest[:, None] + taps - positions[:, None]
        kernel = 2 * cutoff * np.sinc(2 * cutoff * distance) * _blackman(distance / (half + 1))
        blocks.append(np.sum(padded[nearest[:, None] + taps + half + 1] * kernel, axis=1))
    return np.concatenate(blocks) if blocks else samples[:0]


def speech(samples: Samples, rate: int) -> Samples:
    """Make spoken samples fit to be played: 8 kHz, no DC, -3 dBFS, 0.1 s of silence at each end."""
    if not len(samples):
        raise ValueError("holds no audio")
    # DC goes first: at the ends, the low-pass would make a click of it.
    samples = resample(samples - np.mean(samples), rate)
    peak = float(np.max(np.abs(samples), initial=0))
    if peak < SILENT:
        raise ValueError("is silent")
    loud = np.flatnonzero(np.abs(samples) > QUIET * peak)
    margin = int(MARGIN_SECONDS * SAMPLE_RATE)
    spoken = samples[loud[0] : loud[-1] + 1] * (PEAK / peak)
    return np.pad(spoken, margin)


def recorded_tone() -> Samples:
    """Return the tone that says recorded: one high beep."""
    return _beep(1400, 0.25)


def not_recorded_tone() -> Samples:
    """Return the tone that says not recorded: two low beeps."""
    gap = np.zeros(int(0.1 * SAMPLE_RATE))
    return np.concatenate([_beep(400, 0.2), gap, _beep(400, 0.2)])


def wait_music() -> Samples:
    """Return six seconds of a soft arpeggio that loops without a click.

    Plucked notes in motion, so that nobody takes it for ringing (one steady 425 Hz, 1 s in 5).
    """
    notes = (523.25, 659.26, 783.99, 659.26, 587.33, 698.46, 783.99, 587.33)
    step = int(0.75 * SAMPLE_RATE)
    loop = np.zeros(step * len(notes))
    time = np.arange(2 * step) / SAMPLE_RATE
    envelope = np.minimum(time / 0.02, 1) * np.exp(-3 * time) * np.linspace(1, 0, 2 * step)
    for index, frequency in enumerate(notes):
        wave_ = np.sin(2 * np.pi * frequency * time) + 0.2 * np.sin(4 * np.pi * frequency * time)
        # Round the end: the last note rings on into the first.
        where = (index * step + np.arange(2 * step)) % len(loop)
        loop[where] += wave_ * envelope
    loop -= np.mean(loop)
    return loop * (0.1 / float(np.max(np.abs(loop))))


def _blackman(x: Samples) -> Samples:
    return 0.42 + 0.5 * np.cos(np.pi * x) + 0.08 * np.cos(2 * np.pi * x)


def _beep(frequency: float, seconds: float) -> Samples:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    tone: Samples = 0.25 * np.sin(2 * np.pi * frequency * time) * ramp
    return tone
