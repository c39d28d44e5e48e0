"""What the daemon puts behind the control socket."""

from collections.abc import Mapping
from typing import Protocol


class ControlPort(Protocol):
    """The daemon, as the control socket sees it. Values must be fit for JSON."""

    async def status(self) -> Mapping[str, object]:
        """Return version, uptime_seconds, links, calls by phase, seal_backlog, ledger_head."""

    def readiness(self) -> Mapping[str, bool]:
        """Return what must hold before calls are recorded, each by its name."""

    async def withdraw(self, call_id: str, author: str, reason: str) -> bool:
        """Withdraw consent for a call in hand (N3, GDPR Art. 7(3)).

        False when the call is not being recorded; raise UnknownCall when there is none.
        """
