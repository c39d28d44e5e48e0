"""How the ARI client connects, loses, and finds its way back to a real Asterisk."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ari_controller.asterisk.ari import AriClient
from ari_controller.asterisk.ari_events import (
    EVENT_FILTER,
    ChannelDestroyed,
    StasisEnd,
    StasisStart,
)
from ari_controller.asterisk.errors import NotFound, Replaced, Unavailable
from lab.asterisk import PrivateAsterisk
from lab.proxy import Proxy
from tests.integration.asterisk.doors import Exchange, Rest, ari_door, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = "link"
WRONG = "not-the-password"


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(asterisk: PrivateAsterisk) -> AsyncIterator[Proxy]:
    async with Proxy(asterisk.ports.ari) as proxy:
        yield proxy


async def test_on_up_is_awaited_with_the_filter_in_force(
    asterisk: PrivateAsterisk, calls: Exchange
) -> None:
    filters: list[list[str]] = []

    async def look(client: AriClient) -> None:
        assert client.connected
        filters.append(await calls.event_filter(APP))

    async with ari_door(asterisk.ports.ari, APP, on_up=look) as door:
        await door.notes.is_up()
    assert filters == [EVENT_FILTER]


async def test_a_filter_that_another_left_behind_does_not_deafen_us(
    asterisk: PrivateAsterisk, calls: Exchange
) -> None:
    async with ari_door(asterisk.ports.ari, APP) as first:
        await first.notes.is_up()
        await calls.originate("keeps-the-application-alive", app=APP)
        await first.notes.expect(StasisStart)
        await calls.put(f"applications/{APP}/eventFilter", {"allowed": [{"type": "Dial"}]})
    async with ari_door(asterisk.ports.ari, APP, rest="websocket") as second:
        await second.notes.is_up()
        assert await second.client.application_channel_ids()


async def test_only_what_the_filter_allows_arrives(
    asterisk: PrivateAsterisk, calls: Exchange
) -> None:
    async with ari_door(asterisk.ports.ari, APP) as door:
        await door.notes.is_up()
        await calls.originate("c1", app=APP)
        await door.notes.expect(StasisStart)
        await door.client.set_variable("c1", "AC_TEST", "1")  # ChannelVarset, were it allowed
        await door.client.continue_in_dialplan("c1")
        await door.notes.expect(StasisEnd)
        assert door.notes.log == ["up", "StasisStart", "StasisEnd"]


async def test_on_up_may_call_over_the_websocket_that_is_being_read(
    asterisk: PrivateAsterisk, calls: Exchange
) -> None:
    async def reconcile(client: AriClient) -> None:
        for channel in await client.channels():
            await client.get_variable(channel.id, "AC_TEST")

    await calls.originate("c1")
    async with ari_door(asterisk.ports.ari, APP, rest="websocket", on_up=reconcile) as door:
        await door.notes.is_up()
        assert not door.notes.downs


async def test_an_asterisk_that_takes_rest_over_the_websocket_gets_it(
    asterisk: PrivateAsterisk,
) -> None:
    async with ari_door(asterisk.ports.ari, APP, rest="auto") as door:
        await door.notes.is_up()
        assert door.client.rest_over_websocket


async def test_an_on_up_that_fails_is_tried_again_on_a_new_connection(
    asterisk: PrivateAsterisk,
) -> None:
    tries = 0

    async def fail_once(client: AriClient) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await client.get_channel("nobody")

    async with ari_door(asterisk.ports.ari, APP, on_up=fail_once) as door:
        await door.notes.is_up()
        assert tries == 2
        assert "could not be brought up" in door.notes.downs[0]


async def test_a_newcomer_under_our_name_is_fatal(asterisk: PrivateAsterisk) -> None:
    async with ari_door(asterisk.ports.ari, APP) as first:
        await first.notes.is_up()
        async with ari_door(asterisk.ports.ari, APP) as second:
            await second.notes.is_up()
            with pytest.raises(Replaced, match="'link'"):
                await asyncio.wait_for(first.task, 5)
            assert not first.client.connected
            assert second.client.connected


async def test_a_wrong_password_is_told_once_and_tried_again(
    asterisk: PrivateAsterisk, proxy: Proxy
) -> None:
    async with ari_door(proxy.port, APP, password=WRONG) as door:
        await eventually(lambda: door.notes.waits >= 3, "a third try")
        assert door.notes.log == ["down"]
        assert "refused the user name or password" in door.notes.downs[0]
        assert WRONG not in door.notes.downs[0]


@pytest.mark.parametrize("rest", ["http", "websocket"])
async def test_a_cut_connection_is_made_again(proxy: Proxy, calls: Exchange, rest: Rest) -> None:
    async with ari_door(proxy.port, APP, rest=rest) as door:
        await door.notes.is_up()
        await calls.originate("c1", app=APP)
        await door.notes.expect(StasisStart)
        proxy.cut()
        await door.notes.is_up(times=2)
        assert "c1" in await door.client.application_channel_ids()
        await door.client.hang_up("c1")
        await door.notes.expect(ChannelDestroyed)  # events flow without subscribing again
        assert door.notes.log.count("down") == 1


async def test_a_request_in_flight_at_a_loss_fails_at_once(proxy: Proxy) -> None:
    async with ari_door(proxy.port, APP, rest="websocket", timeout_seconds=60) as door:
        await door.notes.is_up()
        proxy.stall()
        asking = asyncio.create_task(door.client.info())
        await asyncio.sleep(0)  # let it be sent
        proxy.cut()
        with pytest.raises(Unavailable, match="lost before the answer"):
            await asyncio.wait_for(asking, 5)


@pytest.mark.parametrize("rest", ["http", "websocket"])
async def test_a_request_that_nobody_answers_ends_in_time(proxy: Proxy, rest: Rest) -> None:
    async with ari_door(proxy.port, APP, rest=rest, timeout_seconds=0.3) as door:
        await door.notes.is_up()
        proxy.stall()
        with pytest.raises(Unavailable, match="in time"):
            await door.client.info()
        proxy.resume()


async def test_a_dead_peer_is_noticed(proxy: Proxy) -> None:
    async with ari_door(proxy.port, APP, heartbeat_seconds=0.2, timeout_seconds=1) as door:
        await door.notes.is_up()
        proxy.stall()
        await eventually(lambda: door.notes.downs, "the loss")
        assert not door.client.connected
        proxy.resume()
        await door.notes.is_up(times=2)


async def test_while_the_websocket_is_down_nothing_is_called_over_it(proxy: Proxy) -> None:
    async with ari_door(proxy.port, APP, rest="websocket") as door:
        await door.notes.is_up()
        proxy.stall()
        proxy.cut()
        await eventually(lambda: door.notes.downs, "the loss")
        with pytest.raises(Unavailable, match="not connected"):
            await door.client.info()
        proxy.resume()
        await door.notes.is_up(times=2)
        await door.client.ping()


async def test_after_a_restart_of_asterisk_nothing_is_replayed(
    asterisk: PrivateAsterisk, calls: Exchange
) -> None:
    async with ari_door(asterisk.ports.ari, APP) as door:
        await door.notes.is_up()
        await calls.originate("c1", app=APP)
        await door.notes.expect(StasisStart)
        await asterisk.kill()
        await eventually(lambda: door.notes.downs, "the loss")
        with pytest.raises(Unavailable):
            await door.client.continue_in_dialplan("c1")
        await asterisk.start()
        await door.notes.is_up(times=2)
        assert door.client.rest_over_websocket
        assert await calls.event_filter(APP) == EVENT_FILTER
        with pytest.raises(NotFound):
            await door.client.get_channel("c1")
        await calls.originate("c2", app=APP)
        await door.notes.expect(StasisStart, lambda start: start.channel.id == "c2")


async def test_an_orderly_stop_of_asterisk_is_a_loss_like_any_other(
    asterisk: PrivateAsterisk,
) -> None:
    async with ari_door(asterisk.ports.ari, APP) as door:
        await door.notes.is_up()
        await asterisk.stop()
        await eventually(lambda: door.notes.downs, "the loss")
        await asterisk.start()
        await door.notes.is_up(times=2)


async def test_a_run_that_is_cancelled_while_it_waits_stays_away(
    asterisk: PrivateAsterisk,
) -> None:
    async with Proxy(asterisk.ports.ari) as proxy:
        async with ari_door(proxy.port, APP, password=WRONG) as door:
            await eventually(lambda: door.notes.waits >= 2, "a second try")
        tried = proxy.connections
        assert door.task.cancelled()
        async with ari_door(asterisk.ports.ari, APP) as other:  # time for a stray try
            await other.notes.is_up()
        assert proxy.connections == tried
