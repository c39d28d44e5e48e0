"""Every REST call that we make, against a real Asterisk, over HTTP and over the WebSocket."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio

from ari_controller.asterisk.ari import AriClient
from ari_controller.asterisk.ari_events import (
    CallBroadcast,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    ChannelUserevent,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
)
from ari_controller.asterisk.ari_http import open_ari_http
from ari_controller.asterisk.errors import Conflict, NotFound, Refused, Unavailable, UnsafeValue
from lab.asterisk import PrivateAsterisk
from tests.integration.asterisk.doors import (
    ARI_PASSWORD,
    USER,
    AriDoor,
    Exchange,
    ari_door,
    eventually_async,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = "contract"
AWKWARD_IDS = ["a/b", "a?b=c&d", "%2F", "..", ".", "a b#c;d", "Ștefan", "../channels"]


@pytest_asyncio.fixture(params=["http", "websocket"], loop_scope="module")
async def door(request: pytest.FixtureRequest, asterisk: PrivateAsterisk) -> AsyncIterator[AriDoor]:
    rest: Literal["http", "websocket"] = request.param
    async with ari_door(asterisk.ports.ari, APP, rest=rest) as door:
        await door.notes.is_up()
        assert door.client.rest_over_websocket == (rest == "websocket")
        yield door


@pytest.fixture
def client(door: AriDoor) -> AriClient:
    return door.client


async def enter(door: AriDoor, calls: Exchange, channel_id: str, exten: str = "wait") -> str:
    """Bring a channel into our application."""
    await calls.originate(channel_id, exten=exten, app=APP)
    await door.notes.expect(StasisStart, lambda start: start.channel.id == channel_id)
    return channel_id


async def test_a_channel_enters_with_its_arguments(door: AriDoor, calls: Exchange) -> None:
    await enter(door, calls, "c1")
    start = await door.notes.expect(StasisStart)
    assert start.application == APP
    assert start.args == ["inbound", "did=0374800800"]
    assert start.channel.name.startswith("Local/wait@lab-")
    assert start.channel.dialplan.app_name == "Stasis"


async def test_a_playback_is_heard_to_its_end(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.play(channel_id, "notice-1", "sound:beep")
    finished = await door.notes.expect(PlaybackFinished)
    assert (finished.playback.id, finished.playback.state) == ("notice-1", "done")
    assert finished.playback.media_uri == "sound:beep"


async def test_a_missing_sound_fails_only_in_playback_finished(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.play(channel_id, "notice-1", "sound:/no/such/file")
    assert (await door.notes.expect(PlaybackFinished)).playback.state == "failed"


async def test_a_comma_in_a_media_name_does_not_make_two_of_it(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    with pytest.raises(UnsafeValue):
        await client.play(channel_id, "notice-1", "sound:beep,sound:beep")


async def test_a_playback_is_stopped_once(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.play(channel_id, "notice-1", "sound:tt-monkeys")
    await client.stop_playback("notice-1")
    assert (await door.notes.expect(PlaybackFinished)).playback.id == "notice-1"
    with pytest.raises(NotFound):
        await client.stop_playback("notice-1")


async def test_channels_are_listed_and_found(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    outside = await calls.originate("outside")
    assert {"c1", "outside"} <= {channel.id for channel in await client.channels()}
    assert channel_id in await client.application_channel_ids()
    assert outside not in await client.application_channel_ids()
    assert (await client.get_channel(channel_id)).id == channel_id
    with pytest.raises(NotFound):
        await client.get_channel("nobody")


@pytest.mark.parametrize("value", ["1", "", 'a, "b" c', "a+b&c=d;e?f#g%20%2F/", "Ștefan 😀"])
async def test_a_variable_comes_back_as_it_was_set(
    door: AriDoor, client: AriClient, calls: Exchange, value: str
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.set_variable(channel_id, "AC_TEST", value)
    assert await client.get_variable(channel_id, "AC_TEST") == value


async def test_an_unset_variable_is_empty_and_a_missing_channel_is_not(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    assert await client.get_variable(channel_id, "AC_NEVER_SET") == ""
    assert await client.get_variable(channel_id, "CHANNEL(linkedid)") == channel_id
    with pytest.raises(NotFound):
        await client.get_variable("nobody", "AC_NEVER_SET")
    with pytest.raises(NotFound):
        await client.set_variable("nobody", "AC_TEST", "1")


async def test_the_absolute_timeout_can_be_armed(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.set_variable(channel_id, "TIMEOUT(absolute)", "0.3")
    await door.notes.expect(StasisEnd, lambda end: end.channel.id == channel_id)


async def test_the_database_is_barred_from_ari_even_on_a_channel(
    asterisk: PrivateAsterisk, client: AriClient, calls: Exchange
) -> None:
    await asterisk.cli("database put ac-lab key value")
    await calls.originate("c1")
    with pytest.raises(Unavailable, match="Unable to read provided function"):
        await client.get_variable("c1", "DB(ac-lab/key)")


async def test_a_channel_continues_once(door: AriDoor, client: AriClient, calls: Exchange) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.continue_in_dialplan(channel_id)
    await door.notes.expect(StasisEnd)
    with pytest.raises(Conflict):
        await client.continue_in_dialplan(channel_id)


async def test_a_play_after_stasis_is_a_conflict(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    await client.continue_in_dialplan(channel_id)
    await door.notes.expect(StasisEnd)
    with pytest.raises(Conflict):
        await client.play(channel_id, "late", "sound:beep")


async def test_a_channel_is_hung_up_once(door: AriDoor, client: AriClient, calls: Exchange) -> None:
    channel_id = await enter(door, calls, "c1")
    with pytest.raises(Refused):
        await client.hang_up(channel_id, "no-such-reason")
    await client.hang_up(channel_id)
    gone = await door.notes.expect(ChannelDestroyed, lambda e: e.channel.id == channel_id)
    assert gone.cause_txt
    await door.notes.expect(ChannelHangupRequest, lambda e: e.channel.id == channel_id)
    with pytest.raises(NotFound):
        await client.hang_up(channel_id)


async def test_a_snoop_channel_enters_our_application(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    await calls.originate("agent")
    snoop = await client.snoop("agent", "tone-1", app_args="tone,recorded")
    assert snoop.id == "tone-1"
    start = await door.notes.expect(StasisStart)
    assert (start.channel.id, start.args) == ("tone-1", ["tone", "recorded"])
    await client.play("tone-1", "tone-1-p", "sound:beep")
    assert (await door.notes.expect(PlaybackFinished)).playback.state == "done"
    with pytest.raises(NotFound):
        await client.snoop("nobody", "tone-2", app_args="tone")


async def test_a_subscribed_channel_is_heard_outside_stasis(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    await calls.originate("customer", exten="keys")
    await client.subscribe("customer")
    await client.subscribe("customer")  # a second time is no error
    first = await door.notes.expect(ChannelDtmfReceived)
    assert (first.digit, first.channel.id) == ("5", "customer")
    await door.notes.expect(ChannelDtmfReceived, lambda e: e.digit == "#")
    await client.hang_up("customer")
    await door.notes.expect(ChannelDestroyed, lambda e: e.channel.id == "customer")
    with pytest.raises(NotFound):
        await client.subscribe("nobody")


async def test_a_user_event_is_heard(door: AriDoor, client: AriClient, calls: Exchange) -> None:
    await enter(door, calls, "c1")
    await calls.post(
        f"events/user/withdrawn?application={APP}&source=channel:c1",
        {},
        {"variables": {"by": "key"}},
    )
    said = await door.notes.expect(ChannelUserevent)
    assert (said.eventname, said.userevent["by"]) == ("withdrawn", "key")
    assert said.channel is not None
    assert said.channel.id == "c1"


async def test_a_broadcast_channel_is_claimed_once(
    asterisk: PrivateAsterisk, door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    await calls.originate("c1", exten="offer")
    offer = await door.notes.expect(CallBroadcast)
    assert (offer.channel.id, offer.called) == ("c1;2", "offer")
    assert await client.claim(offer.channel.id)
    assert not await client.claim(offer.channel.id)
    start = await door.notes.expect(StasisStart)
    assert (start.channel.id, start.args) == ("c1;2", ["outbound", "x=1"])
    await client.continue_in_dialplan("c1;2")

    async def answered() -> bool:
        return "SUCCESS" in await asterisk.cli("dialplan show globals")

    await eventually_async(answered, "STASISSTATUS")


async def test_an_offer_that_is_over_cannot_be_claimed(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    await calls.originate("c1", exten="short")
    offer = await door.notes.expect(CallBroadcast)

    async def over() -> bool:
        return (await client.get_channel(offer.channel.id)).dialplan.app_name == "Wait"

    await eventually_async(over, "the offer to be over")
    assert not await client.claim(offer.channel.id)
    assert not await client.claim("nobody")


@pytest.mark.parametrize("channel_id", AWKWARD_IDS)
async def test_an_awkward_id_means_its_own_channel_and_no_other(
    door: AriDoor, client: AriClient, calls: Exchange, channel_id: str
) -> None:
    await calls.originate("bystander")
    await enter(door, calls, channel_id)
    assert (await client.get_channel(channel_id)).id == channel_id
    await client.set_variable(channel_id, "AC_TEST", channel_id)
    assert await client.get_variable(channel_id, "AC_TEST") == channel_id
    await client.play(channel_id, channel_id, "sound:beep")
    assert (await door.notes.expect(PlaybackFinished)).playback.id == channel_id
    await client.subscribe(channel_id)
    await client.hang_up(channel_id)
    await door.notes.expect(ChannelDestroyed, lambda e: e.channel.id == channel_id)
    assert (await client.get_channel("bystander")).id == "bystander"


async def test_a_request_too_long_to_send_is_refused_and_harms_nothing(
    door: AriDoor, client: AriClient, calls: Exchange
) -> None:
    await calls.originate("c1")
    with pytest.raises(Refused):
        await client.set_variable("c1", "AC_TEST", "x" * 60_000)
    assert (await client.info()).version


async def test_the_version_is_told(client: AriClient) -> None:
    assert (await client.info()).version.startswith("22.")
    await client.ping()


async def test_calls_can_be_freed_over_http_without_a_websocket(
    asterisk: PrivateAsterisk, door: AriDoor, calls: Exchange
) -> None:
    channel_id = await enter(door, calls, "c1")
    url = f"http://127.0.0.1:{asterisk.ports.ari}/"
    async with open_ari_http(url, USER, ARI_PASSWORD, APP) as rescue:
        assert channel_id in await rescue.application_channel_ids()
        await rescue.continue_in_dialplan(channel_id)
    await door.notes.expect(StasisEnd)


async def test_an_application_that_is_gone_has_no_channels(asterisk: PrivateAsterisk) -> None:
    url = f"http://127.0.0.1:{asterisk.ports.ari}"
    async with open_ari_http(url, USER, ARI_PASSWORD, "never-there") as rescue:
        assert await rescue.application_channel_ids() == []
