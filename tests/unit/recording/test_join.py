import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_controller.recording.job import SealError
from ari_controller.recording.join import LONGEST_GAP_SECONDS, Stereo, Take, blocks, place
from ari_controller.recording.track import Track
from ari_controller.recording.wav import HEAD_BYTES, layout
from tests.unit.recording.wavs import Samples, wav

CUSTOMER, AGENT = 0, 1


class Shelf:
    """Keeps wav files open for as long as a test reads them."""

    def __init__(self, files: ExitStack) -> None:
        self._files = files

    def track(self, samples: Samples, rate: int = 8000) -> Track:
        data = wav(samples, rate=rate)
        descriptor = os.memfd_create("wav")
        self._files.callback(os.close, descriptor)
        os.write(descriptor, data)
        return Track(descriptor, layout(data[:HEAD_BYTES], len(data)))

    def take(self, start: float, customer: int | None, agent: int | None, value: int = 1) -> Take:
        """Return a take of so many samples of `value` from the customer, of -`value` to them."""
        sides = [
            None if count is None else self.track(np.full(count, number, np.int16))
            for count, number in ((customer, value), (agent, -value))
        ]
        return Take(1e9 + start, sides[0], sides[1])


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with ExitStack() as files:
        yield Shelf(files)


def joined(*takes: Take, block_frames: int = 65_536) -> Stereo:
    timeline = place(takes)
    parts = list(blocks(timeline, block_frames))
    return np.concatenate([np.zeros((0, 2), np.int16), *parts])


def test_left_is_the_customer_and_right_the_agent(shelf: Shelf) -> None:
    stereo = joined(shelf.take(0, 100, 100))
    assert stereo.tolist() == [[1, -1]] * 100


def test_the_shorter_side_is_padded_with_silence(shelf: Shelf) -> None:
    stereo = joined(shelf.take(0, 3, 5))
    assert stereo.tolist() == [[1, -1]] * 3 + [[0, -1]] * 2


def test_a_missing_side_is_silence(shelf: Shelf) -> None:
    assert joined(shelf.take(0, 2, None)).tolist() == [[1, 0]] * 2


def test_a_gap_between_segments_is_silence_of_its_length(shelf: Shelf) -> None:
    stereo = joined(shelf.take(0, 8000, 8000), shelf.take(2.5, 10, 10, value=2))
    assert len(stereo) == 20_010
    assert not stereo[8000:20_000].any()
    assert stereo[20_000:].tolist() == [[2, -2]] * 10


def test_a_missing_first_segment_keeps_its_place_on_the_clock(shelf: Shelf) -> None:
    stereo = joined(shelf.take(0, None, None), shelf.take(1.0, 10, 10))
    assert len(stereo) == 8010
    assert not stereo[:8000].any()


@pytest.mark.parametrize("start", [0.5, 0.0, -3600.0])
def test_a_segment_that_overlaps_or_goes_back_in_time_follows_the_one_before(
    shelf: Shelf, start: float
) -> None:
    stereo = joined(shelf.take(0, 8000, 8000), shelf.take(start, 10, 10, value=2))
    assert len(stereo) == 8010
    assert stereo[8000:].tolist() == [[2, -2]] * 10


def test_a_clock_set_forward_by_a_year_does_not_make_a_year_of_silence(shelf: Shelf) -> None:
    assert len(joined(shelf.take(0, 10, 10), shelf.take(365 * 86400.0, 10, 10))) == 20
    timeline = place([shelf.take(0, 10, 10), shelf.take(LONGEST_GAP_SECONDS - 1, 10, 10)])
    assert timeline.frames == (LONGEST_GAP_SECONDS - 1) * 8000 + 10


def test_segments_of_different_rates_are_refused(shelf: Shelf) -> None:
    wide = Take(1e9, shelf.track(np.zeros(10, np.int16), rate=16000), None)
    with pytest.raises(SealError, match="different sample rates"):
        place([shelf.take(0, 10, 10), wide])


def test_nothing_at_all_joins_to_nothing(shelf: Shelf) -> None:
    assert joined(shelf.take(0, 0, 0)).shape == (0, 2)
    assert joined(shelf.take(0, None, None)).shape == (0, 2)


SIDES = st.one_of(st.none(), st.integers(0, 400))
TAKES = st.lists(st.tuples(st.floats(-2, 2), SIDES, SIDES), min_size=1, max_size=6)


@settings(deadline=None)
@given(TAKES, st.integers(1, 700))
def test_no_sample_is_lost_or_said_twice_and_blocks_do_not_matter(
    drawn: list[tuple[float, int | None, int | None]], block_frames: int
) -> None:
    with ExitStack() as files:
        shelf = Shelf(files)
        takes = [shelf.take(*item, value=number) for number, item in enumerate(drawn, 1)]
        stereo = joined(*takes)
        assert np.array_equal(stereo, joined(*takes, block_frames=block_frames))
    for side, sign in ((CUSTOMER, 1), (AGENT, -1)):
        heard = stereo[:, side][stereo[:, side] != 0]
        counts = [(customer, agent)[side] or 0 for _, customer, agent in drawn]
        said = [sign * n for n, count in enumerate(counts, 1) for _ in range(count)]
        assert heard.tolist() == said


def test_a_file_that_shrinks_while_it_is_read_gives_silence_not_an_error(tmp_path: Path) -> None:
    data = wav(np.ones(1000, np.int16))
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        track = Track(descriptor, layout(data[:HEAD_BYTES], len(data)))
        os.truncate(path, 44 + 200)
        assert track.read(0, 1000).sum() == 100
        assert track.read(900, 200).tolist() == [0] * 200
    finally:
        os.close(descriptor)
