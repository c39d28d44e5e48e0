import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from ari_controller.control.client import ControlClient
from ari_controller.control.server import ControlServer
from ari_controller.rescue import DONE, PACE, Pace, guard
from tests.unit.control.port import OneCall
from tests.unit.lettable_ari import APP, LettableAri, lettable_ari

QUICK = Pace(silence=0.3, second_look=0.05, round=0.02, reconnect=0.02, rest=0.5)
BEAT_SECONDS = 0.02
# As many beats as cover any patience of the above.
MANY_BEATS = 30


@pytest.fixture
async def ari() -> AsyncIterator[LettableAri]:
    async with lettable_ari() as ari:
        yield ari


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.sock"


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def on_guard(ari: LettableAri, path: Path, pace: Pace = QUICK) -> AsyncIterator[None]:
    """Run the whole process, short of its process; end it as systemd does."""
    task = asyncio.ensure_future(guard(ari.url, "user", "password", APP, path, pace=pace))
    try:
        yield
    finally:
        async with asyncio.timeout(10):
            while not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.02)
        await task


@pytest.fixture(autouse=True)
def _sigterm_ends_nothing_else() -> Iterator[None]:
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, old)


class Pulse:
    """A heartbeat's far end that can stop like a hung daemon: connections open, nothing said."""

    def __init__(self) -> None:
        self.beating = True
        self.beats = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            if self.beating:
                await response.write(b"beat\n")
                self.beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    async def many_beats(self) -> None:
        """Wait until this process must have noticed a beat, and would have lost its patience."""
        enough = self.beats + MANY_BEATS
        await until(lambda: self.beats >= enough)


@asynccontextmanager
async def pulse(path: Path) -> AsyncIterator[Pulse]:
    heart, app = Pulse(), web.Application()
    app.router.add_get("/v1/heartbeat", heart.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    try:
        yield heart
    finally:
        await runner.cleanup()


@contextmanager
def hung_before_accepting(path: Path) -> Iterator[None]:
    """A daemon stopped in its tracks: the kernel takes connections, nobody answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield


async def test_calls_of_a_daemon_that_is_not_there_go_on_behind_their_guard(
    ari: LettableAri, path: Path
) -> None:
    ari.in_stasis = {"1700000000.1", "1700000000.2"}
    async with on_guard(ari, path):
        await until(lambda: len(ari.let_go) == 2)
    assert ari.variables == {channel_id: {DONE: "1"} for channel_id in ari.let_go}
    for channel_id in ari.let_go:
        variable, on = (
            f"POST /ari/channels/{channel_id}/{what}" for what in ("variable", "continue")
        )
        assert ari.asked.index(variable) < ari.asked.index(on)


async def test_an_inbound_channel_is_let_go_without_a_variable(
    ari: LettableAri, path: Path
) -> None:
    ari.in_stasis = {"1.1"}
    ari.inbound = {"1.1"}
    async with on_guard(ari, path):
        await until(lambda: ari.let_go == ["1.1"])
    assert ari.variables == {}


async def test_nothing_is_asked_of_asterisk_while_the_daemon_lives(
    ari: LettableAri, path: Path
) -> None:
    ari.in_stasis = {"1700000000.1"}
    async with pulse(path) as heart, on_guard(ari, path):
        await heart.many_beats()
        assert ari.asked == []


async def test_the_daemons_own_heartbeat_is_understood_and_its_end_noticed(
    ari: LettableAri, path: Path
) -> None:
    ari.in_stasis = {"1700000000.1"}
    async with ControlServer(path, OneCall()) as server, on_guard(ari, path, PACE):
        follower = ControlClient(path).heartbeat()
        for _ in range(4):
            await anext(follower)
        assert ari.asked == []
        await server.__aexit__()
        await until(lambda: ari.let_go, PACE.silence)
        await follower.aclose()


async def test_calls_of_a_daemon_that_hangs_go_on_until_it_wakes(
    ari: LettableAri, path: Path
) -> None:
    async with pulse(path) as heart, on_guard(ari, path):
        await heart.many_beats()
        heart.beating = False
        ari.in_stasis = {"1700000000.1"}
        await until(lambda: ari.let_go)
        ari.in_stasis.add("1700000000.2")
        await until(lambda: len(ari.let_go) == 2)
        heart.beating = True
        await heart.many_beats()
        ari.in_stasis.add("1700000000.3")
        await heart.many_beats()
        assert "1700000000.3" not in ari.let_go


async def test_a_daemon_that_comes_back_owns_its_calls_again(ari: LettableAri, path: Path) -> None:
    async with on_guard(ari, path):
        ari.in_stasis = {"1700000000.1"}
        await until(lambda: ari.let_go)
        async with pulse(path) as heart:
            await heart.many_beats()
            ari.in_stasis.add("1700000000.2")
            await heart.many_beats()
            assert ari.let_go == ["1700000000.1"]


async def test_a_daemon_that_hung_before_this_process_began_is_noticed(
    ari: LettableAri, path: Path
) -> None:
    ari.in_stasis = {"1700000000.1"}
    with hung_before_accepting(path):
        async with on_guard(ari, path):
            await until(lambda: ari.let_go)


async def test_a_snoop_channel_that_plays_a_tone_is_hung_up(ari: LettableAri, path: Path) -> None:
    ari.in_stasis = {"tone-0a0a-recorded"}
    async with on_guard(ari, path):
        await until(lambda: ari.hung_up)
    assert ari.hung_up == ["tone-0a0a-recorded"]
    assert ari.let_go == []
    assert ari.variables == {}


async def test_channels_that_are_gone_or_bridged_hold_up_nobody(
    ari: LettableAri, path: Path
) -> None:
    ari.gone, ari.watched, ari.in_stasis = {"1.1"}, {"1.2"}, {"1.3"}
    async with on_guard(ari, path):
        await until(lambda: ari.let_go)
    assert ari.let_go == ["1.3"]


async def test_a_bridged_channel_is_left_in_peace_for_a_while(ari: LettableAri, path: Path) -> None:
    ari.watched = {"1.2"}
    rounds, tries = f"GET /ari/applications/{APP}", "POST /ari/channels/1.2/continue"
    async with on_guard(ari, path):
        await until(lambda: ari.asked.count(tries) == 2)
        await until(lambda: ari.asked.count(tries) == 3)
    assert ari.asked.count(rounds) >= 4 * ari.asked.count(tries)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_an_ari_that_refuses_is_asked_again_until_it_does_not(
    ari: LettableAri, path: Path, status: int
) -> None:
    ari.in_stasis, ari.status = {"1700000000.1"}, status
    async with on_guard(ari, path):
        await until(lambda: len(ari.asked) >= 2)
        ari.status = None
        await until(lambda: ari.let_go)
