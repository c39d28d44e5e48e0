import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lab.g711 import ULAW
from lab.heard import Frame, Heard
from lab.tones import (
    await_tone,
    describe,
    hears,
    level,
    seconds_of,
    timeline,
    tone,
    wav_channels,
    write_wav,
)

VOICES = (425, 500, 600, 1000, 1300, 1700)


class Ear:
    def __init__(self) -> None:
        self.heard = Heard()


@given(hz=st.integers(100, 3500), amplitude=st.integers(500, 30000))
def test_level_is_the_amplitude_of_the_tone(hz: int, amplitude: int) -> None:
    samples = tone(hz, 0.1, amplitude=amplitude)
    assert level(samples, hz) == pytest.approx(amplitude, rel=0.02)


@given(hz=st.sampled_from(VOICES), other=st.sampled_from(VOICES))
def test_a_voice_is_not_taken_for_another(hz: int, other: int) -> None:
    samples = ULAW.decode(ULAW.encode(tone(hz, 0.05, amplitude=20000)))
    assert (level(samples, other) > 1000) == (hz == other)


@given(first=st.sampled_from(VOICES), second=st.sampled_from(VOICES))
def test_two_voices_at_once_are_both_measured(first: int, second: int) -> None:
    samples = tone(first, 0.1) + tone(second, 0.1)
    expected = 16000 if first == second else 8000
    assert level(samples, first) == pytest.approx(expected, rel=0.05)


@given(seconds=st.integers(0, 40), rate=st.sampled_from([8000, 16000]))
def test_timeline_covers_all_full_windows(seconds: int, rate: int) -> None:
    samples = tone(1000, seconds * 0.025, rate)
    windows = timeline(samples, [1000], rate=rate)
    assert len(windows) == seconds // 2
    assert [round(start / 0.05, 6) for start, _ in windows] == list(range(seconds // 2))


def test_seconds_of_counts_only_the_time_of_the_tone() -> None:
    samples = np.concatenate([tone(600, 0.5), tone(0, 0.3), tone(1000, 0.2)])
    assert seconds_of(samples, 600) == pytest.approx(0.5)
    assert seconds_of(samples, 1000) == pytest.approx(0.2)
    assert hears(samples, 1000)
    assert not hears(samples, 1000, for_seconds=0.3)
    assert not hears(samples, 1300)


def test_nothing_heard_is_no_tone() -> None:
    assert not hears(Ear(), 1000)
    assert level(Ear().heard.samples(), 1000) == 0


def test_a_message_names_what_was_heard() -> None:
    assert describe(np.zeros(0, np.int16)) == "nothing"
    assert describe(tone(0, 0.1)) == "silence"
    assert describe(tone(1300, 0.1)) == "about 1300 Hz at level 8000"


def test_samples_can_be_cut_by_their_arrival() -> None:
    heard = Heard()
    heard.frames += [Frame(at, np.full(160, at, np.int16)) for at in (1, 2, 3)]
    assert set(heard.samples(since=2).tolist()) == {2, 3}
    assert set(heard.samples(until=2).tolist()) == {1}
    assert set(heard.latest(0.03).tolist()) == {2, 3}


async def test_await_tone_ignores_what_came_before_it() -> None:
    ear, now = Ear(), asyncio.get_running_loop().time()
    ear.heard.frames += [Frame(now - 1, tone(1000, 0.02)) for _ in range(10)]
    with pytest.raises(TimeoutError, match=r"1000 Hz was not heard within 0\.1 s"):
        await await_tone(ear, 1000, 0.1)


async def test_a_missed_tone_says_what_was_heard_instead() -> None:
    ear, now = Ear(), asyncio.get_running_loop().time()
    voice = tone(600, 0.2)
    ear.heard.frames += [Frame(now, voice[i : i + 160]) for i in range(0, 1600, 160)]
    with pytest.raises(TimeoutError, match="about 600 Hz at level 8000"):
        await await_tone(ear, 1000, 0.05)


def test_channels_of_a_sound_file_come_back_left_first(tmp_path: Path) -> None:
    left, right = tone(1000, 0.1), tone(1300, 0.1)
    for name in ("call.wav", "call.flac"):
        soundfile.write(tmp_path / name, np.stack([left, right], axis=1), 8000, subtype="PCM_16")
        channels, rate = wav_channels(tmp_path / name)
        assert rate == 8000
        assert np.array_equal(channels[0], left)
        assert np.array_equal(channels[1], right)


def test_a_written_wav_reads_back_the_same(tmp_path: Path) -> None:
    write_wav(tmp_path / "tone.wav", tone(600, 0.1))
    (samples,), rate = wav_channels(tmp_path / "tone.wav")
    assert rate == 8000
    assert np.array_equal(samples, tone(600, 0.1))
