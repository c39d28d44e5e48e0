"""What is worth knowing about a recording's audio. A mark never loses a file."""

from dataclasses import dataclass

import numpy as np

from ari_controller.recording.join import Stereo

# A-law cannot say 0: its idle code decodes to ±8, and one step of mu-law near zero is 8. Twice
# that (-66 dBFS) is still below any microphone, codec noise or comfort noise that was measured.
SILENCE_PEAK = 16
# A click is not a voice: less than one packet of louder samples is still silence.
SOUND_SECONDS = 0.02
# Asterisk writes nothing while neither side sends RTP, so files are a little short as a rule.
SHORT_SECONDS = 1.0
SHORT_SHARE = 0.02


@dataclass(slots=True)
class Loudness:
    """How many samples of each side are louder than silence."""

    customer: int = 0
    agent: int = 0

    def add(self, block: Stereo) -> None:
        """Count one block."""
        # Not abs(): the most negative sample has no positive one.
        loud = np.count_nonzero((block > SILENCE_PEAK) | (block < -SILENCE_PEAK), axis=0)
        self.customer += int(loud[0])
        self.agent += int(loud[1])


def audio_marks(loudness: Loudness, frames: int, rate: int) -> list[str]:
    """Return `empty`, `silent`, `customer_silent` or `agent_silent`, or nothing."""
    if frames == 0:
        return ["empty"]
    sound = SOUND_SECONDS * rate
    customer, agent = loudness.customer >= sound, loudness.agent >= sound
    if not customer and not agent:
        return ["silent"]
    if not customer:
        return ["customer_silent"]
    return [] if agent else ["agent_silent"]


def is_short(audio_seconds: float, wall_seconds: float) -> bool:
    """Tell whether there is less audio than the clock on the wall allows for."""
    return audio_seconds < wall_seconds - SHORT_SECONDS - SHORT_SHARE * wall_seconds
