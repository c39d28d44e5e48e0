"""The ARI client against a server on its bad days."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from ari_controller.asterisk.ari import LONGEST_EVENT_BYTES, AriClient
from ari_controller.asterisk.ari_events import ChannelUserevent, Event
from ari_controller.asterisk.errors import Unavailable
from tests.unit.asterisk.stubborn_ari import StubbornAri, stubborn_ari


class Running:
    """A client, and what it reported."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.arrived = asyncio.Event()
        self.reasons: list[str] = []
        self.names: list[str] = []
        self.client: AriClient

    async def on_up(self) -> None:
        self.up.set()

    def on_down(self, reason: str) -> None:
        self.reasons.append(reason)
        self.up.clear()
        self.down.set()

    def on_event(self, event: Event) -> None:
        assert isinstance(event, ChannelUserevent)
        self.names.append(event.eventname)
        self.arrived.set()


@asynccontextmanager
async def running(
    port: int, on_event: Callable[[Event], None] | None = None, rest: str = "auto"
) -> AsyncIterator[Running]:
    seen = Running()
    seen.client = AriClient(
        f"http://127.0.0.1:{port}",
        "user",
        "secret",
        "ari-controller",
        rest="websocket" if rest == "websocket" else "auto",
        on_event=on_event or seen.on_event,
        on_up=seen.on_up,
        on_down=seen.on_down,
        random=lambda: 0.0,
        timeout_seconds=0.2,
    )
    task = asyncio.create_task(seen.client.run())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def up(
    on_event: Callable[[Event], None] | None = None,
) -> AsyncIterator[tuple[StubbornAri, Running]]:
    async with stubborn_ari() as ari, running(ari.port, on_event) as seen:
        await asyncio.wait_for(seen.up.wait(), 5)
        yield ari, seen


def said(name: str) -> str:
    return json.dumps({"type": "ChannelUserevent", "eventname": name, "userevent": {}})


async def test_an_asterisk_without_rest_over_the_websocket_is_asked_over_http() -> None:
    async with up() as (ari, seen):
        assert not seen.client.rest_over_websocket
        assert (await seen.client.info()).version == "16.28.0"
        assert ari.asked[0] == "PUT /ari/applications/ari-controller/eventFilter"
        assert ari.asked[1:] == ["GET /ari/asterisk/info"]


async def test_insisting_on_the_websocket_is_told_why_it_fails() -> None:
    async with stubborn_ari() as ari, running(ari.port, rest="websocket") as seen:
        await asyncio.wait_for(seen.down.wait(), 5)
        assert "on the WebSocket" in seen.reasons[0]


async def test_while_the_websocket_is_turned_away_http_still_serves() -> None:
    async with up() as (ari, seen):
        ari.handshake_status = 503
        await ari.websockets[0].close()
        await asyncio.wait_for(seen.down.wait(), 5)
        assert not seen.client.connected
        assert (await seen.client.info()).version == "16.28.0"
        ari.handshake_status = None
        await asyncio.wait_for(seen.up.wait(), 5)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "password"), (403, "password"), (404, "res_ari"), (500, "HTTP 500")],
)
async def test_a_refused_handshake_is_told_in_words_that_help(status: int, words: str) -> None:
    async with stubborn_ari() as ari:
        ari.handshake_status = status
        async with running(ari.port) as seen:
            await asyncio.wait_for(seen.down.wait(), 5)
            assert words in seen.reasons[0]


async def test_nobody_listening_is_told() -> None:
    async with stubborn_ari() as ari:
        port = ari.port
    async with running(port) as seen:
        await asyncio.wait_for(seen.down.wait(), 5)
        assert "not reachable" in seen.reasons[0]


@pytest.mark.parametrize("garbage", ["not json", "[1]", '{"type":"StasisStart"}', "[" * 99_999])
async def test_an_event_that_cannot_be_read_is_passed_over(garbage: str) -> None:
    async with up() as (ari, seen):
        with capture_logs() as logs:
            await ari.websockets[0].send_str(garbage)
            await ari.websockets[0].send_str('{"type":"ChannelVarset"}')
            await ari.websockets[0].send_str('{"type":"RESTResponse","status_code":200}')
            await ari.websockets[0].send_str(said("after"))
            await asyncio.wait_for(seen.arrived.wait(), 5)
        assert [entry["event"] for entry in logs] == ["ari_event_unreadable"]
        assert seen.names == ["after"]
        assert not seen.reasons


async def test_a_fault_with_one_event_does_not_deafen_the_others() -> None:
    names: list[str] = []
    arrived = asyncio.Event()

    def fail_first(event: Event) -> None:
        assert isinstance(event, ChannelUserevent)
        if event.eventname == "first":
            raise RuntimeError
        names.append(event.eventname)
        arrived.set()

    async with up(fail_first) as (ari, seen):
        with capture_logs() as logs:
            await ari.websockets[0].send_str(said("first"))
            await ari.websockets[0].send_str(said("second"))
            await asyncio.wait_for(arrived.wait(), 5)
        assert names == ["second"]
        assert [entry["event"] for entry in logs] == ["ari_event_not_handled"]
        assert not seen.reasons


async def test_an_endless_event_ends_the_connection_and_not_the_memory() -> None:
    async with up() as (ari, seen):
        await ari.websockets[0].send_str(" " * (LONGEST_EVENT_BYTES + 1))
        await asyncio.wait_for(seen.down.wait(), 5)
        assert "broke" in seen.reasons[0]


@pytest.mark.parametrize("body", ["", "not json", "[]", '{"system": {}}', "<html>"])
async def test_an_answer_that_cannot_be_read_is_no_answer(body: str) -> None:
    async with up() as (ari, seen):
        ari.info_body = body
        with pytest.raises(Unavailable):
            await seen.client.info()


async def test_an_error_of_the_server_leaves_the_outcome_unknown() -> None:
    async with up() as (ari, seen):
        ari.info_status = 503
        with pytest.raises(Unavailable):
            await seen.client.info()


async def test_before_it_runs_nothing_is_called() -> None:
    async with stubborn_ari() as ari:
        async with running(ari.port) as seen:
            pass
        with pytest.raises(Unavailable, match="not connected"):
            await seen.client.info()
        assert not [asked for asked in ari.asked if "info" in asked]
