"""What a sound file says of itself: enough to refuse one that Asterisk would play wrongly."""

import hashlib
import io
import re
import sys
import wave
from array import array
from pathlib import Path

from ari_controller.core.model import Media

SAMPLE_RATE = 8000
MAX_AUDIO_BYTES = 4 * 1024 * 1024
# Below this peak (about -40 dB) nobody on a telephone hears words.
SILENT_PEAK = 300

_REMEDY = "run `ari-controller prompts build`, or record it"
_CONVERT = "convert it, for example: sox IN.wav -r 8000 -c 1 -b 16 OUT.wav"
# ARI reads `,` in a media list and AMI reads it as an option; Asterisk's own tools trip on blanks.
_SAFE_PATH = re.compile(r"/[A-Za-z0-9._/-]*")
# For one name Asterisk plays whichever of these is nearest to the channel's codec.
_RIVAL = re.compile(
    r"\.(al|alw|alaw|ul|ulw|ulaw|mu|pcm|au|g719|g722|g723(sf)?|g729|gsm|ilbc|mp3|ogg|opus|raw"
    r"|siren(7|14)|sln(12|16|24|32|44|48|96|192)?|vox|wav16|wav49|WAV)"
)


class UnusableAudioError(Exception):
    """A sound file that must not be played; the message names it and the remedy."""


def is_safe_path(path: Path) -> bool:
    """Tell whether a path may be sent to Asterisk."""
    return _SAFE_PATH.fullmatch(str(path)) is not None


def read_media(path: Path) -> Media:
    """Read an 8 kHz, 16 bit, mono wav file; raise UnusableAudioError for anything else."""
    if path.suffix != ".wav":
        raise UnusableAudioError(f"{path}: must be a .wav file")
    if not is_safe_path(path):
        raise UnusableAudioError(f"{path}: only A-Z a-z 0-9 . _ / - may stand in this path")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_AUDIO_BYTES + 1)
    except FileNotFoundError:
        raise UnusableAudioError(f"{path}: no such file: {_REMEDY}") from None
    except OSError as error:
        raise UnusableAudioError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_AUDIO_BYTES:
        raise UnusableAudioError(f"{path}: larger than {MAX_AUDIO_BYTES >> 20} MiB")
    for rival in sorted(path.parent.glob(f"{path.stem}.*")):
        if _RIVAL.fullmatch(rival.suffix):
            raise UnusableAudioError(
                f"{rival}: Asterisk may play this in place of {path.name}: remove it"
            )
    samples = _samples(path, content)
    if not samples:
        raise UnusableAudioError(f"{path}: holds no audio: {_REMEDY}")
    lowest, highest = min(samples), max(samples)
    if max(highest, -lowest) < SILENT_PEAK:
        raise UnusableAudioError(f"{path}: is silent: {_REMEDY}")
    return Media(
        path=str(path.with_suffix("")),
        sha256=hashlib.sha256(content).hexdigest(),
        duration_seconds=len(samples) / SAMPLE_RATE,
    )


def _samples(path: Path, content: bytes) -> "array[int]":
    try:
        with wave.open(io.BytesIO(content)) as reader:
            found = (reader.getframerate(), reader.getsampwidth() * 8, reader.getnchannels())
            frames = reader.readframes(reader.getnframes())
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        reason = str(error) or "cut short"
        raise UnusableAudioError(f"{path}: not a PCM wav file ({reason}): {_CONVERT}") from None
    if found != (SAMPLE_RATE, 16, 1):
        is_ = "{} Hz, {} bit, {} channel(s)".format(*found)
        raise UnusableAudioError(f"{path}: is {is_}; needs 8000 Hz, 16 bit, mono: {_CONVERT}")
    samples = array("h", frames[: len(frames) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
