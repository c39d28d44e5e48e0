"""Frees calls when the daemon is dead or hung: a process of its own, over ARI's HTTP alone.

A channel in Stasis stays there in silence when its application dies, and inside Dial's U() no
time-out of the dialplan can help it (docs/asterisk.md). So this process follows the daemon's
heartbeat and, while there is none, lets every waiting channel go on in its dialplan, unrecorded.
While the heartbeat is there it touches nothing.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ari_controller.asterisk.ari_http import open_ari_http
from ari_controller.asterisk.ari_rest import AriRest
from ari_controller.asterisk.errors import AsteriskError, Conflict, NotFound
from ari_controller.control.client import ControlClient
from ari_controller.control.errors import ControlError
from ari_controller.control.sd_notify import notify

log = structlog.get_logger(__name__)

ARI_TIMEOUT_SECONDS = 1.0
AT_ONCE = 16
# The dialplan's guard: without it, a channel that leaves Stasis inside U() enters it once more.
DONE = "ARI_CONTROLLER_DONE"
INBOUND_CONTEXT = "ari-controller-inbound"
# Ids of the snoop channels that play the agent's tone: there is no dialplan for them to go on in.
TONE_PREFIX = "tone-"


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient this process is, in seconds.

    `silence` is how long the daemon may say nothing. Beats may lie unread when this process was
    held up itself: after `second_look` it looks again before it acts. A channel that is not in
    Stasis is a recorded call that goes on, as a rule, and left in peace for `rest`.
    """

    silence: float = 1.4
    second_look: float = 0.1
    round: float = 0.3
    reconnect: float = 0.3
    rest: float = 3.0


PACE = Pace()


class Heartbeat:
    """Whether the daemon is alive, as far as its heartbeat tells."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._clock = clock
        self._last = clock()
        self._ended = asyncio.Event()

    @property
    def silent(self) -> bool:
        """The stream has ended, or no line came for too long."""
        return self._ended.is_set() or self._clock() - self._last >= self._pace.silence

    async def follow(self, client: ControlClient) -> None:
        """Follow the heartbeat for ever, across restarts of the daemon."""
        while True:
            try:
                async for _ in client.heartbeat():
                    self._last = self._clock()
                    self._ended.clear()
            except ControlError as error:
                log.debug("no heartbeat", reason=str(error))
            self._ended.set()
            await asyncio.sleep(self._pace.reconnect)

    async def until_silent(self) -> None:
        """Wait until the daemon is dead (at once) or hung."""
        while True:
            try:
                async with asyncio.timeout(self._pace.silence - (self._clock() - self._last)):
                    await self._ended.wait()
            except TimeoutError:
                await asyncio.sleep(self._pace.second_look)
            if self.silent:
                return


class Rescue:
    """Lets the daemon's channels go while its heartbeat is silent."""

    def __init__(
        self, ari: AriRest, heartbeat: Heartbeat, pace: Pace, clock: Callable[[], float]
    ) -> None:
        self._ari = ari
        self._pace = pace
        self._heartbeat = heartbeat
        self._clock = clock
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._rest_until: dict[str, float] = {}
        self._trouble = ""

    async def run(self) -> None:
        """Stand guard for ever."""
        while True:
            await self._heartbeat.until_silent()
            log.warning("the daemon is silent: its calls are let go, unrecorded")
            while self._heartbeat.silent:
                await self._round()
                await asyncio.sleep(self._pace.round)
            self._rest_until.clear()
            self._trouble = ""
            log.info("the daemon is alive: its calls are its own again")

    async def _round(self) -> None:
        try:
            waiting = await self._ari.application_channel_ids()
        except AsteriskError as error:
            self._say(str(error))
            return
        now = self._clock()
        async with asyncio.TaskGroup() as group:
            for channel_id in waiting:
                if self._rest_until.get(channel_id, now) <= now:
                    group.create_task(self._free(channel_id))

    async def _free(self, channel_id: str) -> None:
        async with self._at_once:
            if not self._heartbeat.silent:
                return
            try:
                if channel_id.startswith(TONE_PREFIX):
                    await self._ari.hang_up(channel_id)
                else:
                    await self._let_go(channel_id)
            except Conflict:
                self._rest_until[channel_id] = self._clock() + self._pace.rest
            except NotFound:
                return
            except AsteriskError as error:
                self._say(str(error))
            else:
                log.warning("channel let go")

    async def _let_go(self, channel_id: str) -> None:
        # Inbound goes on without the guard: setting it over ARI would bar the site's dialplan from
        # DB() and its kind for the rest of the call (docs/asterisk.md).
        channel = await self._ari.get_channel(channel_id)
        if channel.dialplan.context != INBOUND_CONTEXT:
            await self._ari.set_variable(channel_id, DONE, "1")
        await self._ari.continue_in_dialplan(channel_id)

    def _say(self, trouble: str) -> None:
        """Log a trouble once, not at every round."""
        if trouble != self._trouble:
            log.error("cannot free calls", reason=trouble)
        self._trouble = trouble


async def guard(
    url: str, user: str, password: str, app: str, control_socket: Path, *, pace: Pace = PACE
) -> None:
    """Stand guard until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    heartbeat = Heartbeat(pace, loop.time)
    async with (
        open_ari_http(url, user, password, app, ARI_TIMEOUT_SECONDS) as ari,
        asyncio.TaskGroup() as group,
    ):
        rescue = Rescue(ari, heartbeat, pace, loop.time)
        tasks = [
            group.create_task(heartbeat.follow(ControlClient(control_socket))),
            group.create_task(rescue.run()),
        ]
        log.info("standing guard")
        notify("READY=1")
        await stop.wait()
        notify("STOPPING=1")
        for task in tasks:
            task.cancel()
