"""The loop that both clients live in: connect, be up, be down, wait, connect again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""A connection that lasted this long was sound: the next delay starts small again."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt ended; `up_seconds` is None when it never came up."""

    reason: str
    up_seconds: float | None = None


class BackOff:
    """Delays of 0.1 s doubling to 5 s, each cut by up to a half at random.

    The jitter keeps several clients of one Asterisk from returning in step.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._ceiling = FIRST_DELAY_SECONDS

    def next_delay(self, up_seconds: float | None) -> float:
        """Return seconds to wait after an attempt that was up for `up_seconds`."""
        if up_seconds is not None and up_seconds >= STEADY_SECONDS:
            self._ceiling = FIRST_DELAY_SECONDS
        delay = self._ceiling * (1 - self._random() / 2)
        self._ceiling = min(self._ceiling * 2, LONGEST_DELAY_SECONDS)
        return delay


async def reconnect_forever(
    attempt: Callable[[], Awaitable[Ended]],
    on_down: Callable[[str], None],
    random: Callable[[], float],
) -> NoReturn:
    """Run `attempt` again and again; tell `on_down` of each loss and each new reason to be down."""
    back_off = BackOff(random)
    reported: str | None = None
    while True:
        ended = await attempt()
        if ended.up_seconds is not None or ended.reason != reported:
            on_down(ended.reason)
            reported = ended.reason
        await asyncio.sleep(back_off.next_delay(ended.up_seconds))
