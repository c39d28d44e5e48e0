import numpy as np
import pytest

from ari_controller.recording.checks import SILENCE_PEAK, Loudness, audio_marks, is_short
from tests.unit.recording.wavs import Samples, tone

RATE = 8000
SILENCE = np.zeros(RATE, np.int16)
ALAW_IDLE = np.tile(np.array([8, -8], np.int16), RATE // 2)
VOICE = tone(1000, 1.0)


def marks(customer: Samples, agent: Samples) -> list[str]:
    loudness = Loudness()
    loudness.add(np.column_stack([customer, agent]))
    return audio_marks(loudness, len(customer), RATE)


def test_two_voices_have_no_mark() -> None:
    assert marks(VOICE, VOICE) == []


@pytest.mark.parametrize("silence", [SILENCE, ALAW_IDLE])
def test_digital_silence_of_either_law_is_told_by_side(silence: Samples) -> None:
    assert marks(silence, VOICE) == ["customer_silent"]
    assert marks(VOICE, silence) == ["agent_silent"]
    assert marks(silence, silence) == ["silent"]


def test_a_click_is_not_a_voice_but_a_short_word_is() -> None:
    click, word = SILENCE.copy(), SILENCE.copy()
    click[100:110] = 20_000
    word[100:900] = tone(500, 0.1)
    assert marks(click, VOICE) == ["customer_silent"]
    assert marks(word, VOICE) == []


def test_the_most_negative_sample_is_loud() -> None:
    assert marks(np.full(RATE, -32768, np.int16), VOICE) == []
    assert marks(np.full(RATE, SILENCE_PEAK, np.int16), VOICE) == ["customer_silent"]


def test_no_frames_are_empty_and_nothing_else() -> None:
    assert marks(SILENCE[:0], SILENCE[:0]) == ["empty"]


@pytest.mark.parametrize(
    ("audio", "wall", "short"),
    [(10, 10, False), (9, 10, False), (8.7, 10, True), (590, 600, False), (580, 600, True),
     (11, 10, False), (0, 0.9, False)],
)  # fmt: skip
def test_short_is_more_than_a_second_and_two_percent_less_than_the_wall_clock(
    audio: float, wall: float, short: bool
) -> None:
    assert is_short(audio, wall) is short
