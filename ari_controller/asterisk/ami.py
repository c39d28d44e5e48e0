"""The AMI client: MixMonitor, and the few database keys that reconciling needs.

`Success` to MixMonitor says only that Asterisk will try: the caller must see the files.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from random import random as any_fraction
from typing import Any, NoReturn

from ari_controller.asterisk.ami_guard import GuardedManager
from ari_controller.asterisk.errors import (
    AsteriskError,
    NotFound,
    Refused,
    Unavailable,
    UnsafeValue,
)
from ari_controller.asterisk.reconnect import Ended, reconnect_forever

TIMEOUT_SECONDS = 2.0
PING_SECONDS = 5.0

_PATH = re.compile(r"[A-Za-z0-9._/-]{1,200}")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_VALUE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MIXMONITOR_ID = re.compile(r"0x[0-9a-f]{1,16}")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9._:-]{1,120}")


class AmiClient:
    """Keep one AMI user logged in; order MixMonitor about.

    The user needs `write = system,call`, and no `read`: no events are asked for. `on_up` is awaited
    after each login; when it raises an AsteriskError the connection is given up and made again.
    `on_down` gets the reason of each loss, and of not coming up whenever that changes.

    Every call raises `Unavailable` when its outcome is unknown (nothing is ever sent twice),
    and a `Refused` when it was not done.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        *,
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        random: Callable[[], float] = any_fraction,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._on_up = on_up
        self._on_down = on_down
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._ping_seconds = ping_seconds
        self._manager: GuardedManager | None = None

    @property
    def connected(self) -> bool:
        """Whether the user is logged in."""
        return self._manager is not None

    async def run(self) -> NoReturn:
        """Connect, and connect again, until cancelled."""
        await reconnect_forever(self._connect_once, self._on_down, self._random)

    async def start_mixmonitor(
        self, channel_id: str, rx_path: str, tx_path: str, id_variable: str
    ) -> str:
        """Record what comes from and goes to a channel into two files; return the MixMonitorID.

        No third, mixed file is made. The id, a heap address that Asterisk uses again for later
        calls, is also put into the channel's variable `id_variable`, for the dialplan to stop by.
        A path that could inject options or a command is an UnsafeValue.
        """
        if rx_path == tx_path:
            raise UnsafeValue("both directions of a recording would go to one file")
        _check(_VARIABLE, id_variable, "the variable for the MixMonitorID")
        rx, tx = _safe_path(rx_path), _safe_path(tx_path)
        answer = await self._order(
            Action="MixMonitor", Channel=channel_id, Options=f"r({rx})t({tx})i({id_variable})"
        )
        if "MixMonitorID" not in answer:
            raise Unavailable("Asterisk started MixMonitor but did not say under which id")
        return str(answer["MixMonitorID"])

    async def stop_mixmonitor(self, channel_id: str, mixmonitor_id: str) -> bool:
        """Stop one recording and close its files; False when it was not running (any more)."""
        _check(_MIXMONITOR_ID, mixmonitor_id, "a MixMonitorID")  # without one, all are stopped
        try:
            await self._order(
                Action="StopMixMonitor", Channel=channel_id, MixMonitorID=mixmonitor_id
            )
        except Refused as error:
            if isinstance(error, NotFound) or "Could not stop" in str(error):
                return False
            raise
        return True

    async def mute_mixmonitor(self, channel_id: str, mixmonitor_id: str, *, on: bool) -> None:
        """Write silence instead of both directions, or voices again; the timeline is kept."""
        _check(_MIXMONITOR_ID, mixmonitor_id, "a MixMonitorID")
        await self._order(
            Action="MixMonitorMute",
            Channel=channel_id,
            MixMonitorID=mixmonitor_id,
            Direction="both",
            State="1" if on else "0",
        )

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        """Set a variable, or `TIMEOUT(absolute)`, on a channel.

        Not over ARI: Asterisk 22 leaves the channel's thread barred from DB(), SHELL() and their
        kind for the rest of the call after ARI has set a variable (docs/asterisk.md).
        """
        if name != "TIMEOUT(absolute)":
            _check(_VARIABLE, name, "a channel variable")
        _check(_VALUE, value, "the value of a channel variable")
        await self._order(Action="Setvar", Channel=channel_id, Variable=name, Value=value)

    async def database_family(self, family: str) -> dict[str, str]:
        """Return the keys and values that the dialplan stored under `family` with `DB()`."""
        _check(_DATABASE_NAME, family, "a database family")
        answers = await self._order(Action="DBGetTree", Family=family)
        prefix = f"/{family}/"
        return {
            str(entry["Key"]).removeprefix(prefix): str(entry["Val"])
            for entry in answers
            if "Key" in entry and str(entry["Key"]).startswith(prefix)
        }

    async def database_delete(self, family: str, key: str) -> bool:
        """Delete one key; False when it was not there."""
        _check(_DATABASE_NAME, family, "a database family")
        _check(_DATABASE_NAME, key, "a database key")
        try:
            await self._order(Action="DBDel", Family=family, Key=key)
        except Refused as error:
            if "could not be deleted" in str(error):
                return False
            raise
        return True

    async def _order(self, **headers: str) -> Any:
        if self._manager is None:
            raise Unavailable("AMI is not connected")
        answer = await self._manager.request(headers, self._timeout_seconds)
        return _accepted(answer, headers["Action"])

    async def _connect_once(self) -> Ended:
        manager = GuardedManager(self._host, self._port)
        up_since: float | None = None
        loop = asyncio.get_running_loop()
        try:
            await manager.open(self._timeout_seconds)
            await self._log_in(manager)
            up_since = loop.time()
            self._manager = manager
            reason = await self._stay(manager)
        except AsteriskError as error:
            reason = str(error)
        except (OSError, TimeoutError) as error:
            reason = f"AMI is not reachable: {type(error).__name__}"
        finally:
            self._manager = None
            manager.close()
        return Ended(reason, None if up_since is None else loop.time() - up_since)

    async def _log_in(self, manager: GuardedManager) -> None:
        login = {"Username": self._user, "Secret": self._password, "Events": "off"}
        _accepted(
            await manager.request({"Action": "Login", **login}, self._timeout_seconds), "Login"
        )

    async def _stay(self, manager: GuardedManager) -> str:
        async with asyncio.TaskGroup() as group:
            attending = group.create_task(self._attend(manager))
            reason = await manager.lost
            attending.cancel()
        return reason

    async def _attend(self, manager: GuardedManager) -> None:
        """Reconcile, then make sure again and again that somebody answers at the other end."""
        try:
            await self._on_up()
            while True:
                await asyncio.sleep(self._ping_seconds)
                await manager.request({"Action": "Ping"}, self._timeout_seconds)
        except AsteriskError as error:
            manager.lose(f"AMI connection given up: {error}")


def _accepted(answer: Any, action: str) -> Any:
    first = answer[0] if isinstance(answer, list) else answer
    if first.success:
        return answer
    said = f"AMI {action}: {first.message}"
    match first.message:
        case "No such channel":
            raise NotFound(said)
        case "Permission denied":
            raise Refused(f"{said}: the user needs write = system,call in manager.conf")
        case "Authentication failed":
            raise Refused(f"{said}: compare user, password and permit with manager.conf")
        case _:
            raise Refused(said)


def _check(pattern: re.Pattern[str], value: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise UnsafeValue(f"{what} must match {pattern.pattern}")


def _safe_path(path: str) -> str:
    """Return `path` if no part of it can mean anything to Asterisk but a file.

    A comma would end the name and start options, and a shell command after them.
    """
    _check(_PATH, path, "the path of a recording")
    _check(_FILE_NAME, path.rpartition("/")[2], "the file name of a recording")
    if ".." in path:
        raise UnsafeValue("the path of a recording must not step upwards")
    return path
