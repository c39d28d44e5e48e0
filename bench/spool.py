"""Watches a spool from outside: when Asterisk opened a file, and when it closed it."""

import asyncio
from pathlib import Path

POLL_SECONDS = 0.001
# A wav file's header holds zero sizes until it is closed (docs/asterisk.md).
SIZE_AT, SIZE_BYTES = 40, 4


class SpoolWatch:
    """The pair of files that is new since; times are the event loop's, at most 1 ms late.

    Not the files' own times: those are rounded to the kernel's tick.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known = set(directory.iterdir())

    async def opened(self, within: float = 10.0) -> float:
        """Wait for a pair of new files; return when both are there."""
        async with asyncio.timeout(within):
            while len(new := set(self._directory.iterdir()) - self._known) < 2:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        self._pair = new
        return asyncio.get_running_loop().time()

    async def closed(self, within: float = 10.0) -> float:
        """Wait until the pair is closed; return when."""
        async with asyncio.timeout(within):
            while not all(map(_is_closed, self._pair)):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        return asyncio.get_running_loop().time()


def _is_closed(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(SIZE_AT)
        return any(file.read(SIZE_BYTES))
