"""MixMonitor by AMI on a real Asterisk, with the user that we ship."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ari_controller.asterisk.ami import AmiClient
from ari_controller.asterisk.errors import NotFound, Refused, Unavailable, UnsafeValue
from lab.asterisk import PrivateAsterisk
from lab.proxy import Proxy
from tests.integration.asterisk.doors import (
    AmiDoor,
    Exchange,
    ami_door,
    eventually,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = "not-the-secret"


@pytest_asyncio.fixture(loop_scope="module")
async def door(asterisk: PrivateAsterisk) -> AsyncIterator[AmiDoor]:
    async with ami_door(asterisk.ports.ami) as door:
        await door.notes.is_up()
        yield door


@pytest.fixture
def client(door: AmiDoor) -> AmiClient:
    return door.client


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(asterisk: PrivateAsterisk) -> AsyncIterator[Proxy]:
    async with Proxy(asterisk.ports.ami) as proxy:
        yield proxy


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Paths for the two directions of a recording."""
    return str(tmp_path / "s1-rx.wav"), str(tmp_path / "s1-tx.wav")


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def monitors(asterisk: PrivateAsterisk, channel_id: str) -> int:
    """Count the MixMonitors that run on a channel."""
    name = next(c.name for c in await asterisk.channels() if c.uniqueid == channel_id)
    listed = await asterisk.cli(f"mixmonitor list {name}")
    return sum("0x" in line for line in listed.splitlines())


async def test_a_recording_is_a_pair_of_files_and_stops_once(
    asterisk: PrivateAsterisk, client: AmiClient, calls: Exchange, pair: tuple[str, str]
) -> None:
    await calls.originate("c1")
    mixmonitor_id = await client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")
    assert mixmonitor_id.startswith("0x")
    await eventually(lambda: len(names_in(Path(pair[0]).parent)) == 2, "both files")
    assert names_in(Path(pair[0]).parent) == {"s1-rx.wav", "s1-tx.wav"}
    assert await client.stop_mixmonitor("c1", mixmonitor_id)
    assert not await client.stop_mixmonitor("c1", mixmonitor_id)
    assert await monitors(asterisk, "c1") == 0


async def test_the_dialplan_learns_the_id_to_stop_by(
    asterisk: PrivateAsterisk, client: AmiClient, calls: Exchange, pair: tuple[str, str]
) -> None:
    await calls.originate("c1")
    mixmonitor_id = await client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")
    name = next(c.name for c in await asterisk.channels() if c.uniqueid == "c1")
    assert f"AC_MIXMONITOR={mixmonitor_id}" in await asterisk.cli(f"core show channel {name}")


async def test_only_the_recording_that_is_meant_is_stopped(
    asterisk: PrivateAsterisk, client: AmiClient, calls: Exchange, tmp_path: Path
) -> None:
    await calls.originate("c1")
    first, second = [
        await client.start_mixmonitor(
            "c1", str(tmp_path / f"{n}-rx.wav"), str(tmp_path / f"{n}-tx.wav"), f"AC_{n}"
        )
        for n in ("a", "b")
    ]
    assert await client.stop_mixmonitor("c1", first)
    assert await monitors(asterisk, "c1") == 1
    with pytest.raises(UnsafeValue):
        await client.stop_mixmonitor("c1", "")  # Asterisk would stop all
    assert await client.stop_mixmonitor("c1", second)


async def test_success_says_nothing_about_the_files(
    client: AmiClient, calls: Exchange, tmp_path: Path
) -> None:
    await calls.originate("c1")
    (tmp_path / "not-a-directory").write_text("")
    paths = tuple(f"{tmp_path}/not-a-directory/s1-{direction}.wav" for direction in ("rx", "tx"))
    mixmonitor_id = await client.start_mixmonitor("c1", paths[0], paths[1], "AC_MIXMONITOR")
    assert mixmonitor_id.startswith("0x")
    assert names_in(tmp_path) == {"not-a-directory"}


async def test_a_channel_that_is_gone_is_not_found(
    client: AmiClient, pair: tuple[str, str]
) -> None:
    with pytest.raises(NotFound):
        await client.start_mixmonitor("nobody", *pair, "AC_MIXMONITOR")
    assert not await client.stop_mixmonitor("nobody", "0x1")
    with pytest.raises(NotFound):
        await client.mute_mixmonitor("nobody", "0x1", on=True)


async def test_a_recording_is_muted_and_heard_again(
    client: AmiClient, calls: Exchange, pair: tuple[str, str]
) -> None:
    await calls.originate("c1")
    mixmonitor_id = await client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")
    await client.mute_mixmonitor("c1", mixmonitor_id, on=True)
    await client.mute_mixmonitor("c1", mixmonitor_id, on=False)
    with pytest.raises(Refused):
        await client.mute_mixmonitor("c1", "0x1", on=True)


async def test_no_command_runs_whatever_the_channel_is_called(
    client: AmiClient, calls: Exchange, pair: tuple[str, str], tmp_path: Path
) -> None:
    await calls.originate("c1")
    proof = tmp_path / "ran"
    inject = f"c1\r\nCommand: touch {proof}"
    with pytest.raises(UnsafeValue):
        await client.start_mixmonitor(inject, *pair, "AC_MIXMONITOR")
    with pytest.raises(UnsafeValue):
        await client.start_mixmonitor("c1", f"{pair[0]},,touch {proof}", pair[1], "AC_MIXMONITOR")
    assert names_in(tmp_path) == set()


async def test_a_database_family_is_read_and_emptied(
    asterisk: PrivateAsterisk, client: AmiClient
) -> None:
    assert await client.database_family("ac-lab") == {}
    await asterisk.cli("database put ac-lab first 1795474049.7")
    await asterisk.cli('database put ac-lab second "two words: and more"')
    await asterisk.cli("database put ac_lab other 1")
    await asterisk.cli("database put ac-labs other 1")
    assert await client.database_family("ac-lab") == {
        "first": "1795474049.7",
        "second": "two words: and more",
    }
    assert await client.database_family("ac_lab") == {"other": "1"}  # `_` is a wildcard in SQL
    assert await client.database_delete("ac-lab", "first")
    assert not await client.database_delete("ac-lab", "first")
    assert await client.database_delete("ac-lab", "second")
    assert await client.database_family("ac-lab") == {}


async def test_many_orders_at_once_each_get_their_own_answer(
    asterisk: PrivateAsterisk, client: AmiClient
) -> None:
    for n in range(20):
        await asterisk.cli(f"database put ac-many-{n} key {n}")
    found = await asyncio.gather(*(client.database_family(f"ac-many-{n}") for n in range(20)))
    assert found == [{"key": str(n)} for n in range(20)]


async def test_the_shipped_user_can_do_nothing_else_we_know_of(asterisk: PrivateAsterisk) -> None:
    shown = await asterisk.cli("manager show user ari-controller")
    privileges = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in shown.splitlines())
    }
    assert privileges["read perm"] in {"", "<none>"}
    assert privileges["write perm"] == "system,call"


async def test_a_variable_and_the_time_out_are_set_on_a_channel(
    asterisk: PrivateAsterisk, client: AmiClient, calls: Exchange
) -> None:
    await calls.originate("c1")
    await client.set_variable("c1", "AC_TEST", "recorded")
    await client.set_variable("c1", "TIMEOUT(absolute)", "30.000")
    (channel,) = [row for row in await asterisk.channels() if row.uniqueid == "c1"]
    shown = await asterisk.cli(f"core show channel {channel.name}")
    assert "AC_TEST=recorded" in shown
    assert "WhentoHangup" in shown.replace(" ", "") or "Time to Hangup" in shown
    with pytest.raises(NotFound):
        await client.set_variable("nobody", "AC_TEST", "1")


@pytest.mark.parametrize("bad", ["", "a,b", "${X}", "a\r\nAction: x", "x" * 65])
async def test_a_value_that_could_mean_more_is_never_sent(client: AmiClient, bad: str) -> None:
    with pytest.raises(UnsafeValue):
        await client.set_variable("c1", "AC_TEST", bad)
    with pytest.raises(UnsafeValue):
        await client.set_variable("c1", f"SHELL({bad})", "1")


async def test_on_up_may_order(asterisk: PrivateAsterisk, calls: Exchange) -> None:
    async def reconcile(client: AmiClient) -> None:
        assert client.connected
        await client.database_family("ac-lab")

    async with ami_door(asterisk.ports.ami, on_up=reconcile) as door:
        await door.notes.is_up()


async def test_a_wrong_secret_is_told_once_and_tried_again(
    asterisk: PrivateAsterisk, pair: tuple[str, str]
) -> None:
    async with ami_door(asterisk.ports.ami, secret=WRONG) as door:
        await eventually(lambda: door.notes.waits >= 2, "a second try")
        assert door.notes.log == ["down"]
        assert "Authentication failed" in door.notes.downs[0]
        assert WRONG not in door.notes.downs[0]
        assert not door.client.connected
        with pytest.raises(Unavailable):
            await door.client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")


async def test_an_order_in_flight_at_a_loss_fails_at_once_and_is_never_sent_again(
    asterisk: PrivateAsterisk, proxy: Proxy, calls: Exchange, pair: tuple[str, str]
) -> None:
    await calls.originate("c1")
    async with ami_door(proxy.port, timeout_seconds=60) as door:
        await door.notes.is_up()
        proxy.stall()
        starting = asyncio.create_task(door.client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR"))
        await asyncio.sleep(0)  # let it be sent
        proxy.cut()
        with pytest.raises(Unavailable, match="lost before the answer"):
            await asyncio.wait_for(starting, 5)
        proxy.resume()
        await door.notes.is_up(times=2)
        assert await door.client.database_family("ac-lab") == {}  # a replay would come before
    assert await monitors(asterisk, "c1") == 0


async def test_an_order_that_nobody_answers_ends_in_time(proxy: Proxy) -> None:
    async with ami_door(proxy.port, timeout_seconds=1) as door:
        await door.notes.is_up()
        proxy.stall()
        with pytest.raises(Unavailable, match="in time"):
            await door.client.database_family("ac-lab")
        proxy.resume()
        assert await door.client.database_family("ac-lab") == {}  # the late answer is not ours


async def test_a_dead_peer_is_noticed(proxy: Proxy) -> None:
    async with ami_door(proxy.port, timeout_seconds=1, ping_seconds=0.1) as door:
        await door.notes.is_up()
        proxy.stall()
        await eventually(lambda: door.notes.downs, "the loss")
        assert "in time" in door.notes.downs[0]
        assert not door.client.connected
        proxy.resume()
        await door.notes.is_up(times=2)


async def test_pings_keep_a_quiet_connection(proxy: Proxy) -> None:
    async with ami_door(proxy.port, ping_seconds=0.02) as door:
        await door.notes.is_up()
        sent = proxy.passed_bytes
        await eventually(lambda: proxy.passed_bytes > sent + 1000, "many pings")
        assert door.notes.log == ["up"]


async def test_after_a_restart_of_asterisk_orders_work_again(
    asterisk: PrivateAsterisk, calls: Exchange, pair: tuple[str, str]
) -> None:
    async with ami_door(asterisk.ports.ami) as door:
        await door.notes.is_up()
        await asterisk.kill()
        await eventually(lambda: door.notes.downs, "the loss")
        with pytest.raises(Unavailable):
            await door.client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")
        await asterisk.start()
        await door.notes.is_up(times=2)
        await calls.originate("c1")
        assert await door.client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")


async def test_a_run_that_is_cancelled_while_it_waits_stays_away(
    asterisk: PrivateAsterisk,
) -> None:
    async with Proxy(asterisk.ports.ami) as proxy:
        async with ami_door(proxy.port, secret=WRONG) as door:
            await eventually(lambda: door.notes.waits >= 1, "a wait")
        tried = proxy.connections
        assert door.task.cancelled()
        async with ami_door(asterisk.ports.ami) as other:  # time for a stray try
            await other.notes.is_up()
        assert proxy.connections == tried


async def test_a_user_without_the_privilege_is_told_what_to_change(
    asterisk: PrivateAsterisk, calls: Exchange, pair: tuple[str, str]
) -> None:
    users = asterisk.etc / "manager.conf"
    shipped = users.read_text()
    users.write_text(shipped.replace("write = system,call", "write = call"))
    try:
        await asterisk.cli("manager reload")
        await calls.originate("c1")
        async with ami_door(asterisk.ports.ami) as door:
            await door.notes.is_up()
            with pytest.raises(Refused, match="write = system,call"):
                await door.client.start_mixmonitor("c1", *pair, "AC_MIXMONITOR")
    finally:
        users.write_text(shipped)
        await asterisk.cli("manager reload")
