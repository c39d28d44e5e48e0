"""What panoramisk may send and how it must take what comes."""

import asyncio
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ari_controller.asterisk.ami_guard import (
    ALLOWED_ACTIONS,
    LONGEST_MESSAGE_CHARACTERS,
    GuardedManager,
    GuardedProtocol,
    check_action,
)
from ari_controller.asterisk.errors import Unavailable, UnsafeValue

values = st.text() | st.sampled_from(
    ["a\r\nAction: Originate", "a\rb", "a\nb", "a\0b", "\r\n\r\nAction: Command", "\ud800"]
)
keys = st.sampled_from(["Channel", "File", "Options", "MixMonitorID"]) | st.text()


class Wire(asyncio.Transport):
    """A transport that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.aborted = True


async def connected() -> tuple[GuardedManager, Wire]:
    """Return a manager as it is once connected, without a network."""
    manager, wire = GuardedManager("127.0.0.1", 5038), Wire()
    protocol = GuardedProtocol()
    protocol.connection_made(wire)
    arrived: asyncio.Future[tuple[Wire, GuardedProtocol]] = asyncio.Future()
    arrived.set_result((wire, protocol))
    manager.connection_made(cast("asyncio.Task[object]", arrived))
    return manager, wire


def action_id(wire: Wire) -> str:
    found = re.findall(rb"ActionID: (\S+)", wire.sent)
    return str(found[-1].decode())


@given(st.dictionaries(keys, values), st.sampled_from(sorted(ALLOWED_ACTIONS)))
def test_what_leaves_is_one_action_with_the_headers_that_were_meant(
    headers: Mapping[str, str], action: str
) -> None:
    meant = {**headers, "Action": action}

    async def send() -> bytes:
        manager, wire = await connected()
        manager.protocol.send(meant)
        manager.close()
        return wire.sent

    try:
        sent = asyncio.run(send())
    except UnsafeValue:
        return
    lines = sent.decode().removesuffix("\r\n\r\n").split("\r\n")
    assert sent.endswith(b"\r\n\r\n")
    assert sorted(line for line in lines if not line.startswith("ActionID: ")) == sorted(
        f"{key}: {value}" for key, value in meant.items()
    )
    assert not re.search("[\n\r\0]", "".join(lines))


@pytest.mark.parametrize("breaker", ["\r", "\n", "\0", "\r\n"])
@pytest.mark.parametrize("place", ["key", "value"])
def test_a_line_break_is_refused_anywhere(breaker: str, place: str) -> None:
    headers = {"Action": "MixMonitor", "Channel": "1795474049.7", "Options": "r(/s/a)"}
    check_action(headers)
    if place == "key":
        headers[f"Command{breaker}x"] = "1"
    else:
        headers["Options"] += f"{breaker}Command: touch x"
    with pytest.raises(UnsafeValue) as caught:
        check_action(headers)
    assert "touch" not in str(caught.value)


@pytest.mark.parametrize("action", ["Command", "Originate", "mixmonitor", "", "MixMonitor "])
def test_an_action_that_is_not_needed_is_refused(action: str) -> None:
    with pytest.raises(UnsafeValue):
        check_action({"Action": action})


def test_a_command_cannot_leave_by_panoramisks_own_door() -> None:
    async def send() -> bytes:
        manager, wire = await connected()
        with pytest.raises(UnsafeValue):
            manager.send_command("core stop now")
        return wire.sent

    assert asyncio.run(send()) == b""


def test_a_header_longer_than_asterisk_reads_is_refused() -> None:
    with pytest.raises(UnsafeValue):
        check_action({"Action": "MixMonitor", "Channel": "é" * 600})


@given(st.lists(st.integers(min_value=1, max_value=200), max_size=12))
def test_an_answer_is_whole_however_it_was_cut(cuts: list[int]) -> None:
    async def receive() -> str:
        manager, wire = await connected()
        asking = asyncio.ensure_future(manager.request({"Action": "Ping"}, 5))
        await asyncio.sleep(0)
        answer = (
            "Asterisk Call Manager/11.0.0\r\n"
            f"Response: Success\r\nActionID: {action_id(wire)}\r\nMessage: Ștefan 😀\r\n\r\n"
        ).encode()
        places = [0, *sorted({cut for cut in cuts if cut < len(answer)}), len(answer)]
        for start, end in pairwise(places):
            manager.protocol.data_received(answer[start:end])
        return str((await asking).message)

    assert asyncio.run(receive()) == "Ștefan 😀"


async def test_what_is_in_flight_fails_at_a_loss_and_is_forgotten() -> None:
    manager, _ = await connected()
    asking = asyncio.ensure_future(manager.request({"Action": "Ping"}, 60))
    await asyncio.sleep(0)
    manager.protocol.connection_lost(None)
    with pytest.raises(Unavailable, match="lost before the answer"):
        await asking
    assert not manager.awaiting_actions
    assert not manager.protocol.responses
    assert "closed" in await manager.lost
    with pytest.raises(Unavailable, match="not connected"):
        await manager.request({"Action": "Ping"}, 60)


async def test_an_unanswered_action_leaves_nothing_behind() -> None:
    manager, _ = await connected()
    with pytest.raises(Unavailable, match="in time"):
        await manager.request({"Action": "Ping"}, 0.01)
    assert not manager.protocol.responses
    manager.close()


async def test_a_peer_that_never_ends_a_message_is_dropped() -> None:
    manager, wire = await connected()
    line = b"x" * 65536
    for _ in range(LONGEST_MESSAGE_CHARACTERS // len(line)):
        manager.protocol.data_received(line)
    assert not wire.aborted
    manager.protocol.data_received(line)
    assert wire.aborted


async def test_an_answer_that_panoramisk_trips_over_drops_the_connection() -> None:
    manager, wire = await connected()
    asking = asyncio.ensure_future(manager.request({"Action": "Ping"}, 5))
    await asyncio.sleep(0)
    named = f"ActionID: {action_id(wire)}\r\n"
    with capture_logs() as logs:
        manager.protocol.data_received(f"Response: Success\r\n{named}{named}\r\n".encode())
    assert [entry["event"] for entry in logs] == ["ami_message_unreadable"]
    assert wire.aborted
    manager.protocol.connection_lost(None)
    with pytest.raises(Unavailable):
        await asking


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    async def receive() -> None:
        manager, _ = await connected()
        manager.protocol.data_received(data + b"\r\n\r\n")
        manager.close()

    asyncio.run(receive())


async def test_a_callback_that_fails_is_never_called() -> None:
    manager, wire = await connected()

    def fail(*_: object) -> None:
        raise RuntimeError

    manager.register_event("*", fail)
    manager.protocol.data_received(b"Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
    assert not wire.aborted
    manager.close()
