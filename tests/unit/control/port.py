"""A daemon for the control socket to stand before: one call recorded, one not, no others."""

from collections.abc import Mapping

RECORDED = "0a" * 16
UNRECORDED = "0b" * 16


class OneCall:
    """Answers as the daemon does, and keeps what it was told."""

    def __init__(self) -> None:
        self.withdrawals: list[tuple[str, str, str]] = []

    async def status(self) -> Mapping[str, object]:
        return {"version": "1.2.3", "calls": {"recording": 1}}

    async def withdraw(self, call_id: str, author: str, reason: str) -> bool | None:
        if call_id not in (RECORDED, UNRECORDED):
            return None
        if call_id == UNRECORDED:
            return False
        self.withdrawals.append((call_id, author, reason))
        return True


class Broken(OneCall):
    """A daemon with a fault."""

    async def status(self) -> Mapping[str, object]:
        raise KeyError("+40721234567")
