"""The loop that both clients live in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.asterisk.reconnect import (
    LONGEST_DELAY_SECONDS,
    STEADY_SECONDS,
    BackOff,
    Ended,
    reconnect_forever,
)

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)


class Enough(Exception):
    """The script of a test is over."""


def test_delays_double_from_a_tenth_of_a_second_to_five_seconds() -> None:
    back_off = BackOff(lambda: 0.0)
    delays = [back_off.next_delay(None) for _ in range(8)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_a_connection_that_falls_at_once_does_not_reset_the_delay() -> None:
    back_off = BackOff(lambda: 0.0)
    for _ in range(6):
        back_off.next_delay(STEADY_SECONDS / 2)
    assert back_off.next_delay(None) == LONGEST_DELAY_SECONDS


def test_a_connection_that_held_resets_the_delay() -> None:
    back_off = BackOff(lambda: 0.0)
    for _ in range(8):
        back_off.next_delay(None)
    assert back_off.next_delay(STEADY_SECONDS) == pytest.approx(0.1)


@given(fractions, st.lists(st.none() | st.floats(min_value=0, max_value=100), min_size=1))
def test_every_delay_is_short_but_never_nothing(fraction: float, ups: list[float | None]) -> None:
    back_off = BackOff(lambda: fraction)
    for up_seconds in ups:
        assert 0.05 <= back_off.next_delay(up_seconds) <= LONGEST_DELAY_SECONDS


async def test_a_reason_to_be_down_is_told_once_and_every_loss_is_told() -> None:
    script = [
        Ended("wrong password"),
        Ended("wrong password"),
        Ended("not reachable"),
        Ended("lost", up_seconds=20.0),
        Ended("lost", up_seconds=20.0),
        Ended("lost"),
    ]
    told: list[str] = []

    async def attempt() -> Ended:
        if not script:
            raise Enough
        return script.pop(0)

    with pytest.raises(Enough):
        await reconnect_forever(attempt, told.append, lambda: 1.0)
    assert told == ["wrong password", "not reachable", "lost", "lost"]
