"""What the daemon puts behind the control socket."""

from collections.abc import Mapping
from typing import Protocol


class ControlPort(Protocol):
    """The daemon, as the control socket sees it."""

    async def status(self) -> Mapping[str, object]:
        """Return what the daemon is doing, fit for JSON: version, uptime_seconds, ready, calls."""

    async def withdraw(self, call_id: str, author: str, reason: str) -> bool | None:
        """Withdraw consent for a call in hand (N3, GDPR Art. 7(3)).

        None when there is no such call, False when it is not being recorded.
        """
