"""Frees calls when the daemon is dead or hung: a process of its own, over ARI's HTTP alone.

A channel in Stasis stays there in silence when its application dies, and inside Dial's U() no
time-out of the dialplan can help it (docs/asterisk.md). So this process follows the daemon's
heartbeat and, while there is none, lets every waiting channel go on in its dialplan, unrecorded.
While the heartbeat is there it touches nothing.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from ari_controller.asterisk.ari_http import open_ari_http
from ari_controller.asterisk.ari_rest import AriRest
from ari_controller.asterisk.errors import AsteriskError, Conflict, NotFound
from ari_controller.control.client import ControlClient
from ari_controller.control.errors import ControlError
from ari_controller.control.sd_notify import notify

log = structlog.get_logger(__name__)

SILENCE_SECONDS = 1.4
# Beats may lie unread when this process was held up itself: look again before acting.
SECOND_LOOK_SECONDS = 0.1
ROUND_SECONDS = 0.3
RECONNECT_SECONDS = 0.3
ARI_TIMEOUT_SECONDS = 1.0
AT_ONCE = 16
# A channel that is not in Stasis is bridged, as a rule: a recorded call that goes on for long.
NOT_WAITING_REST_SECONDS = 3.0

# The dialplan's guard: without it, a channel that leaves Stasis inside U() enters it once more.
DONE = "ARI_CONTROLLER_DONE"
# Ids of the snoop channels that play the agent's tone: there is no dialplan for them to go on in.
TONE_PREFIX = "tone-"


class Heartbeat:
    """Whether the daemon is alive, as far as its heartbeat tells."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._ended = asyncio.Event()

    @property
    def silent(self) -> bool:
        """The stream has ended, or no line came for too long."""
        return self._ended.is_set() or self._clock() - self._last >= SILENCE_SECONDS

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
            await asyncio.sleep(RECONNECT_SECONDS)

    async def until_silent(self) -> None:
        """Wait until the daemon is dead (at once) or hung."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS - (self._clock() - self._last)):
                    await self._ended.wait()
            except TimeoutError:
                await asyncio.sleep(SECOND_LOOK_SECONDS)
            if self.silent:
                return


class Rescue:
    """Lets the daemon's channels go while its heartbeat is silent."""

    def __init__(self, ari: AriRest, heartbeat: Heartbeat, clock: Callable[[], float]) -> None:
        self._ari = ari
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
                await asyncio.sleep(ROUND_SECONDS)
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
                    await self._ari.set_variable(channel_id, DONE, "1")
                    await self._ari.continue_in_dialplan(channel_id)
            except Conflict:
                self._rest_until[channel_id] = self._clock() + NOT_WAITING_REST_SECONDS
            except NotFound:
                return
            except AsteriskError as error:
                self._say(str(error))
            else:
                log.warning("channel let go")

    def _say(self, trouble: str) -> None:
        """Log a trouble once, not at every round."""
        if trouble != self._trouble:
            log.error("cannot free calls", reason=trouble)
        self._trouble = trouble


async def guard(url: str, user: str, password: str, app: str, control_socket: Path) -> None:
    """Stand guard until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    heartbeat = Heartbeat(loop.time)
    async with (
        open_ari_http(url, user, password, app, ARI_TIMEOUT_SECONDS) as ari,
        asyncio.TaskGroup() as group,
    ):
        rescue = Rescue(ari, heartbeat, loop.time)
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
