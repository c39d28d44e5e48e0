import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_controller.recording.wav import HEAD_BYTES, Layout, WavError, layout
from tests.unit.recording.wavs import NO_SAMPLES, tone, wav

ONE_SECOND = tone(1000, 1.0)


def read(data: bytes) -> Layout:
    return layout(data[:HEAD_BYTES], len(data))


def test_a_closed_file_says_where_its_samples_are() -> None:
    assert read(wav(ONE_SECOND)) == Layout(8000, 44, 8000, closed=True)


def test_a_file_at_16_khz_is_read() -> None:
    assert read(wav(ONE_SECOND, rate=16000)).rate == 16000


def test_zero_sizes_with_data_are_a_crash_and_the_file_size_counts() -> None:
    assert read(wav(ONE_SECOND, closed=False)) == Layout(8000, 44, 8000, closed=False)


def test_an_open_file_without_audio_is_not_taken_for_a_closed_one() -> None:
    assert read(wav(NO_SAMPLES, closed=True)) == Layout(8000, 44, 0, closed=True)
    assert read(wav(NO_SAMPLES, closed=False)) == Layout(8000, 44, 0, closed=False)


def test_a_file_cut_short_gives_what_is_left() -> None:
    cut = wav(ONE_SECOND)[: 44 + 1001]
    assert read(cut) == Layout(8000, 44, 500, closed=False)


def test_chunks_before_and_after_the_samples_are_passed_over() -> None:
    plain = wav(ONE_SECOND)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    file = plain[:12] + extra + plain[12:] + extra
    assert read(file) == Layout(8000, 44 + len(extra), 8000, closed=False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no RIFF"),
        (b"hello, world, this is no wav", "no RIFF"),
        (wav(ONE_SECOND)[:36], "no samples"),
        (wav(ONE_SECOND)[:30], "format is cut off"),
        (wav(ONE_SECOND, rate=44100), "44100 Hz"),
        (wav(ONE_SECOND).replace(b"fmt ", b"tmf ", 1), "samples before the format"),
    ],
)
def test_what_is_no_wav_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(WavError, match=why):
        read(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_wav_error(data: bytes) -> None:
    for candidate in (data, b"RIFF" + data, b"RIFFxxxxWAVE" + data):
        try:
            found = read(candidate)
        except WavError:
            continue
        assert found.offset + 2 * found.samples <= len(candidate)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=8),
    st.integers(0, 64),
)
def test_a_damaged_header_never_points_outside_the_file(
    changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(wav(np.arange(8, dtype=np.int16)))
    for position, value in changes:
        data[position] = value
    damaged = bytes(data[:length])
    try:
        found = read(damaged)
    except WavError:
        return
    assert found.samples >= 0
    assert found.offset + 2 * found.samples <= max(len(damaged), found.offset)
