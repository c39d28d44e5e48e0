"""Clients of a private Asterisk, running beside the test and noting what they report."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import aiohttp

from ari_controller.asterisk.ami import AmiClient
from ari_controller.asterisk.ari import AriClient
from ari_controller.asterisk.ari_events import Event

USER = "ari-controller"
ARI_PASSWORD = secrets.token_hex(16)
AMI_SECRET = secrets.token_hex(16)
WITHIN_SECONDS = 8.0

Rest = Literal["auto", "http", "websocket"]

E = TypeVar("E")


async def eventually(
    condition: Callable[[], object], what: str, within: float = WITHIN_SECONDS
) -> None:
    """Wait until `condition` holds; fail saying `what` when it does not in time."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110  (what is waited for sets no event)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not in {within:g} s: {what}") from None


async def eventually_async(
    condition: Callable[[], Awaitable[object]], what: str, within: float = WITHIN_SECONDS
) -> None:
    """As `eventually`, for a condition that must be asked for."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {within:g} s: {what}") from None


@dataclass
class Notes:
    """What a client reported, in order; `log` holds `up`, `down` and event names together."""

    ups: int = 0
    waits: int = 0
    downs: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        self.events.append(event)
        self.log.append(type(event).__name__)

    def down(self, reason: str) -> None:
        self.downs.append(reason)
        self.log.append("down")

    def wait(self) -> float:
        """Stand in for `random`: a client asks it once before each new try."""
        self.waits += 1
        return 0.0

    async def up(self) -> None:
        self.ups += 1
        self.log.append("up")

    async def expect(self, kind: type[E], matches: Callable[[E], bool] = lambda event: True) -> E:
        """Wait for an event of this kind and return the first that matches."""

        def found() -> list[E]:
            return [e for e in self.events if isinstance(e, kind) and matches(e)]

        await eventually(found, f"a {kind.__name__} in {self.log}")
        return found()[0]

    async def is_up(self, times: int = 1) -> None:
        await eventually(lambda: self.ups >= times, f"up {times} times, downs: {self.downs}")


@asynccontextmanager
async def _running(run: Callable[[], Awaitable[object]]) -> AsyncIterator[asyncio.Task[object]]:
    async def body() -> object:
        return await run()

    task = asyncio.create_task(body())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class AriDoor:
    client: AriClient
    notes: Notes
    task: asyncio.Task[object]


@asynccontextmanager
async def ari_door(
    port: int,
    app: str,
    *,
    rest: Rest = "auto",
    password: str = ARI_PASSWORD,
    on_up: Callable[[AriClient], Awaitable[None]] | None = None,
    timeout_seconds: float = 2.0,
    heartbeat_seconds: float = 5.0,
) -> AsyncIterator[AriDoor]:
    notes = Notes()

    async def up() -> None:
        if on_up is not None:
            await on_up(client)
        await notes.up()

    client = AriClient(
        f"http://127.0.0.1:{port}",
        USER,
        password,
        app,
        rest=rest,
        on_event=notes.take,
        on_up=up,
        on_down=notes.down,
        random=notes.wait,
        timeout_seconds=timeout_seconds,
        heartbeat_seconds=heartbeat_seconds,
    )
    async with _running(client.run) as task:
        yield AriDoor(client, notes, task)


@dataclass
class AmiDoor:
    client: AmiClient
    notes: Notes
    task: asyncio.Task[object]


@asynccontextmanager
async def ami_door(
    port: int,
    *,
    secret: str = AMI_SECRET,
    user: str = USER,
    on_up: Callable[[AmiClient], Awaitable[None]] | None = None,
    timeout_seconds: float = 2.0,
    ping_seconds: float = 5.0,
) -> AsyncIterator[AmiDoor]:
    notes = Notes()

    async def up() -> None:
        if on_up is not None:
            await on_up(client)
        await notes.up()

    client = AmiClient(
        "127.0.0.1",
        port,
        user,
        secret,
        on_up=up,
        on_down=notes.down,
        random=notes.wait,
        timeout_seconds=timeout_seconds,
        ping_seconds=ping_seconds,
    )
    async with _running(client.run) as task:
        yield AmiDoor(client, notes, task)


class Exchange:
    """Makes calls: ARI requests that the product does not make, over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._root = f"http://127.0.0.1:{port}/ari"

    async def originate(
        self, channel_id: str, *, exten: str = "wait", app: str | None = None
    ) -> str:
        """Make a Local channel pair `ID` and `ID;2`; `;2` runs `exten`, `ID` goes to `app`.

        Without an application `ID` waits in the dialplan.
        """
        into = (
            {"app": app, "appArgs": "inbound,did=0374800800"}
            if app
            else {"context": "lab", "extension": "wait", "priority": "1"}
        )
        query = {"endpoint": f"Local/{exten}@lab/n", "channelId": channel_id, **into}
        await self.post("channels", query)
        return channel_id

    async def post(self, path: str, query: dict[str, str], body: object = None) -> None:
        await self._ask("POST", path, query, body)

    async def put(self, path: str, body: object) -> None:
        await self._ask("PUT", path, {}, body)

    async def delete(self, path: str) -> None:
        await self._ask("DELETE", path, {})

    async def event_filter(self, app: str) -> list[str]:
        """Return the event types that the application lets through."""
        application = await self._ask("GET", f"applications/{app}", {})
        return [allowed["type"] for allowed in application["events_allowed"]]

    async def _ask(self, method: str, path: str, query: dict[str, str], body: object = None) -> Any:
        async with self._session.request(
            method, f"{self._root}/{path}", params=query, json=body
        ) as response:
            text = await response.text()
            assert response.status < 300, text
            return json.loads(text or "null")


@asynccontextmanager
async def exchange(port: int) -> AsyncIterator[Exchange]:
    headers = {"Authorization": aiohttp.encode_basic_auth(USER, ARI_PASSWORD)}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Exchange(session, port)
