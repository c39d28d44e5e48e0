import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ari_controller.control.client import ControlClient
from ari_controller.control.errors import (
    NotAnswering,
    NotRecording,
    NotRunning,
    Rejected,
    SocketError,
    UnknownCall,
)
from ari_controller.control.server import MAX_BODY_BYTES, MAX_HEARTBEATS, ControlServer
from tests.unit.control.port import RECORDED, UNRECORDED, Broken, OneCall

WITHDRAW = f"/v1/calls/{RECORDED}/withdraw"


@pytest.fixture
def daemon() -> OneCall:
    return OneCall()


@pytest.fixture
async def path(tmp_path: Path, daemon: OneCall) -> AsyncIterator[Path]:
    async with ControlServer(tmp_path / "c.sock", daemon):
        yield tmp_path / "c.sock"


@pytest.fixture
async def http(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession("http://control", connector=connector) as session:
        yield session


async def test_status_is_what_the_daemon_says(path: Path) -> None:
    assert await ControlClient(path).status() == {"version": "1.2.3", "calls": {"recording": 1}}


async def test_a_withdrawal_reaches_the_daemon_with_author_and_reason(
    path: Path, daemon: OneCall
) -> None:
    await ControlClient(path).withdraw(RECORDED, "ana", "said so on the phone, „gata”")
    assert daemon.withdrawals == [(RECORDED, "ana", "said so on the phone, „gata”")]


@pytest.mark.parametrize(
    ("call_id", "error"),
    [(UNRECORDED, NotRecording), ("0c" * 16, UnknownCall), ("../status", UnknownCall)],
)
async def test_a_withdrawal_that_cannot_be_is_told_apart(
    path: Path, daemon: OneCall, call_id: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await ControlClient(path).withdraw(call_id, "ana", "asked")
    assert daemon.withdrawals == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 7000,
        b'{"reason": "r"}',
        b'{"reason": "r", "author": "a", "more": 1}',
        b'{"reason": "r", "author": 1}',
        b'{"reason": " ", "author": "a"}',
        b'{"reason": "two\\nlines", "author": "a"}',
        json.dumps({"reason": "r" * 501, "author": "a"}).encode(),
        b'{"reason": "\xff", "author": "a"}',
    ],
)
async def test_a_withdrawal_without_a_good_body_is_refused(
    http: aiohttp.ClientSession, daemon: OneCall, body: bytes
) -> None:
    async with http.post(WITHDRAW, data=body) as response:
        answer = await response.json()
    assert (response.status, answer["error"]) == (400, "bad_request")
    assert daemon.withdrawals == []


async def test_a_body_larger_than_any_withdrawal_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post(WITHDRAW, data=b" " * (MAX_BODY_BYTES + 1)) as response:
        assert response.status == 413
        assert "error" in await response.json()


@pytest.mark.parametrize(
    ("method", "path_", "status"),
    [("GET", "/", 404), ("POST", "/v1/status", 405), ("GET", WITHDRAW, 405)],
)
async def test_what_is_not_offered_is_refused_in_json_without_a_banner(
    http: aiohttp.ClientSession, method: str, path_: str, status: int
) -> None:
    async with http.request(method, path_) as response:
        assert response.status == status
        assert set(await response.json()) == {"error", "message"}
        assert "Server" not in response.headers


async def test_a_fault_of_the_daemon_is_answered_without_its_details(tmp_path: Path) -> None:
    async with ControlServer(tmp_path / "c.sock", Broken()):
        with pytest.raises(Rejected) as error:
            await ControlClient(tmp_path / "c.sock").status()
    assert "0721234567" not in str(error.value)


async def test_the_heartbeat_begins_at_once_goes_on_and_ends_with_the_server(
    tmp_path: Path, daemon: OneCall
) -> None:
    beats = 0
    async with asyncio.timeout(10):
        async with ControlServer(tmp_path / "c.sock", daemon) as server:
            stream = ControlClient(tmp_path / "c.sock").heartbeat()
            for _ in range(3):
                await anext(stream)
                beats += 1
            await server.__aexit__()
        async for _ in stream:
            beats += 1
    assert beats >= 3


async def test_more_heartbeats_than_anybody_needs_are_refused(path: Path) -> None:
    streams = [ControlClient(path).heartbeat() for _ in range(MAX_HEARTBEATS + 1)]
    for stream in streams[:-1]:
        await anext(stream)
    with pytest.raises(Rejected):
        await anext(streams[-1])
    for stream in streams[:-1]:
        await stream.aclose()


async def test_without_a_daemon_the_client_says_that_none_runs(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"no daemon listens .* is ari-controller running"):
        await ControlClient(tmp_path / "c.sock").status()


@pytest.mark.skipif(os.geteuid() == 0, reason="root is refused nothing")
async def test_without_the_right_the_client_says_which_is_missing(path: Path) -> None:
    os.chmod(path, 0)  # noqa: PTH101
    with pytest.raises(NotRunning, match="member of the group"):
        await ControlClient(path).status()


async def test_a_daemon_that_hangs_is_told_from_one_that_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        with pytest.raises(NotAnswering, match="may hang"):
            await ControlClient(path, timeout_seconds=0.05).status()


async def test_something_else_on_the_socket_is_not_taken_for_the_daemon(tmp_path: Path) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    path = tmp_path / "c.sock"
    async with await asyncio.start_unix_server(shout, path):
        with pytest.raises(NotAnswering, match="no ari-controller daemon"):
            await ControlClient(path).status()


async def test_a_second_server_is_refused_and_the_first_lives_on(
    path: Path, daemon: OneCall
) -> None:
    with pytest.raises(SocketError, match="another daemon listens"):
        async with ControlServer(path, daemon):
            pass
    assert await ControlClient(path).status()
