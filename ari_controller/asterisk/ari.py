"""The ARI client: one application's events, and the REST calls of `ari_rest`.

It reconnects by itself and replays nothing: after every connect `on_up` must reconcile with what
Asterisk says is there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import random as any_fraction
from typing import Literal, NoReturn

import aiohttp
import structlog
from yarl import URL

from ari_controller.asterisk.ari_events import (
    EVENT_FILTER,
    ApplicationReplaced,
    Event,
    RestResponse,
    UnknownEvent,
    decode,
)
from ari_controller.asterisk.ari_http import (
    TIMEOUT_SECONDS,
    AriHttp,
    ari_root,
    open_session,
)
from ari_controller.asterisk.ari_rest import Answer, AriRest
from ari_controller.asterisk.ari_ws import AriWebSocket
from ari_controller.asterisk.errors import AsteriskError, DecodeError, Replaced, Unavailable
from ari_controller.asterisk.reconnect import Ended, reconnect_forever

HEARTBEAT_SECONDS = 5.0
LONGEST_EVENT_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Link:
    """One connection: what it offers, since when, and why it ended."""

    socket: aiohttp.ClientWebSocketResponse
    http: AriHttp
    websocket: AriWebSocket
    up_since: float | None = None
    reason: str | None = None
    replaced: bool = False

    def ended(self, now: float) -> Ended:
        reason = self.reason or f"Asterisk closed the ARI WebSocket ({self.socket.close_code})"
        return Ended(reason, None if self.up_since is None else now - self.up_since)


class AriClient(AriRest):
    """Keep one application connected; make REST calls over what the server has.

    `url` is the HTTP server's address with its prefix, if it has one. `rest` is `http`,
    `websocket`, or `auto`: over the WebSocket where the server answers there, else over HTTP, and
    over HTTP whenever the WebSocket is down.

    `on_event` is called in the order of arrival, from the reader itself: it must not block.
    Events may come before `on_up` has returned. `on_up` is awaited after each connect, with the
    event filter in force; when it raises an AsteriskError the connection is given up and made
    again. `on_down` gets the reason of each loss, and of not coming up whenever that changes.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        app: str,
        *,
        on_event: Callable[[Event], None],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        rest: Literal["auto", "http", "websocket"] = "auto",
        random: Callable[[], float] = any_fraction,
        timeout_seconds: float = TIMEOUT_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(app)
        self._url = url
        self._user = user
        self._password = password
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._rest = rest
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._http: AriHttp | None = None
        self._websocket: AriWebSocket | None = None
        self.connected = False
        """The WebSocket is open and the event filter in force."""

    @property
    def rest_over_websocket(self) -> bool:
        """Whether calls go over the WebSocket at this moment."""
        return self._websocket is not None

    async def run(self) -> NoReturn:
        """Connect, and connect again, until cancelled.

        Replaced, when another client took the application's name, is fatal: two clients that
        fight for one name both lose calls.
        """
        async with open_session(self._user, self._password) as session:
            self._http = http = AriHttp(session, self._url, self.app, self._timeout_seconds)
            try:
                await reconnect_forever(
                    lambda: self._connect_once(session, http), self._on_down, self._random
                )
            finally:
                self._http = None

    async def _request(
        self,
        method: str,
        segments: Sequence[str],
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        transport: AriRest | None = self._websocket
        if transport is None and self._rest != "websocket":
            transport = self._http
        if transport is None:
            raise Unavailable("the ARI client is not connected")
        return await transport._request(method, segments, query, body)

    async def _connect_once(self, session: aiohttp.ClientSession, http: AriHttp) -> Ended:
        try:
            socket = await self._open(session)
        except aiohttp.WSServerHandshakeError as error:
            return Ended(_handshake_reason(error.status))
        except TimeoutError:
            return Ended("ARI did not answer in time")
        except (aiohttp.ClientError, OSError) as error:
            return Ended(f"ARI is not reachable: {type(error).__name__}")
        async with socket:
            return await self._serve(socket, http)

    async def _open(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        address = URL(f"{ari_root(self._url)}/events").with_query(app=self.app)
        async with asyncio.timeout(self._timeout_seconds):
            return await session.ws_connect(
                address,
                heartbeat=self._heartbeat_seconds,
                compress=0,
                max_msg_size=LONGEST_EVENT_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse, http: AriHttp) -> Ended:
        """Read until the socket ends, while a task beside it brings the connection up.

        The reader never waits for anyone, so `on_up` may await calls whose answers it reads.
        """
        link = _Link(socket, http, AriWebSocket(socket, self.app, self._timeout_seconds))
        try:
            async with asyncio.TaskGroup() as group:
                bringing_up = group.create_task(self._bring_up(link))
                await self._listen(link)
                bringing_up.cancel()
        finally:
            self.connected = False
            self._websocket = None
            link.websocket.lose()
        if link.replaced:
            raise Replaced(f"another client took over the ARI application {self.app!r}")
        return link.ended(asyncio.get_running_loop().time())

    async def _bring_up(self, link: _Link) -> None:
        try:
            # Over HTTP: a filter that another client left behind may bar answers on the WebSocket.
            await link.http.set_event_filter(EVENT_FILTER)
            if self._rest != "http":
                await self._probe(link)
            link.up_since = asyncio.get_running_loop().time()
            self.connected = True
            await self._on_up()
        except AsteriskError as error:
            link.reason = f"ARI connected, but could not be brought up: {error}"
            await link.socket.close()

    async def _probe(self, link: _Link) -> None:
        """Find out whether this server takes REST over the WebSocket; older ones stay silent."""
        try:
            await link.websocket.ping()
        except AsteriskError:
            if self._rest == "websocket":
                raise
        else:
            self._websocket = link.websocket

    async def _listen(self, link: _Link) -> None:
        async for message in link.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data, link)
            elif message.type is aiohttp.WSMsgType.ERROR:
                link.reason = f"the ARI WebSocket broke: {type(message.data).__name__}"
            if link.replaced:
                return

    def _take(self, text: str, link: _Link) -> None:
        try:
            event = decode(text)
        except DecodeError as error:
            log.warning("ari_event_unreadable", reason=str(error))
            return
        match event:
            case RestResponse():
                link.websocket.take_answer(event)
            case ApplicationReplaced():
                link.replaced = True
            case UnknownEvent():
                pass
            case _:
                self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:  # a fault with one call's event must not deafen all the others
            log.exception("ari_event_not_handled", event_type=type(event).__name__)


def _handshake_reason(status: int) -> str:
    match status:
        case 401 | 403:
            return f"ARI refused the user name or password (HTTP {status}): compare with ari.conf"
        case 404:
            return "no ARI at this address (HTTP 404): check the URL, and that res_ari is loaded"
        case _:
            return f"ARI refused the WebSocket (HTTP {status})"
