"""What breaks in the middle of inbound calls: whatever it is, the call goes on (rules 2 to 4)."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from lab.phone import Call, OutgoingCall
from lab.proxy import Proxy
from lab.site import Site, SitePorts
from lab.story import AGENT_HZ, DID, talk
from lab.tones import AUDIBLE, await_tone, hears, level, wav_channels
from tests.e2e.conftest import phones
from tests.e2e.fast import LONG, NOTICE_HZ, PATIENT, linked_site
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
CALLER_HZ = 700
RECORDED = [
    "call_entered",
    "notice_played",
    "consent_given",
    "recording_started",
    "recording_stopped",
    "call_ended",
    "recording_sealed",
]


@dataclass
class Lines:
    """A site, and the two lines from its daemon to its Asterisk."""

    site: Site
    ari: Proxy
    ami: Proxy

    def stop(self, *processes: asyncio.subprocess.Process | None) -> None:
        """Hold processes up, as a machine that swaps would."""
        for process in processes:
            assert process is not None
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let everything go on that was held up."""
        self.ari.resume()
        self.ami.resume()
        for process in (self.site.daemon, self.site.rescue):
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGCONT)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_lines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lines]:
    ports = SitePorts()
    directory = tmp_path_factory.mktemp("linked")
    async with (
        Proxy(ports.ari) as ari,
        Proxy(ports.ami) as ami,
        linked_site(directory, ports, ari, ami) as site,
    ):
        yield Lines(site, ari, ami)


@pytest_asyncio.fixture(loop_scope="session")
async def stage(lines: Lines) -> AsyncIterator[Stage]:
    async with phones(lines.site) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def lines(shared_lines: Lines) -> AsyncIterator[Lines]:
    """The site, whole again after each test."""
    yield shared_lines
    shared_lines.go_on()
    site = shared_lines.site
    if site.daemon is None or site.daemon.returncode is not None:
        await site.start_daemon()
    await ready(site)


async def ready(site: Site, wanted: bool = True) -> None:
    """Wait until the daemon has all it needs for recording, or says that it has not."""
    async with asyncio.timeout(20.0):
        while True:
            status, _ = await site.get("/readyz")
            if (status == 200) is wanted:
                return
            await asyncio.sleep(0.05)


def dead_air(call: Call) -> float:
    """Return the seconds between the last of the notice and the first of the agent."""
    frames = call.heard.frames
    notice = [frame.at for frame in frames if level(frame.samples, NOTICE_HZ) > AUDIBLE]
    agent = [frame.at for frame in frames if level(frame.samples, AGENT_HZ) > AUDIBLE]
    return agent[0] - notice[-1]


async def in_the_notice(stage: Stage, number: str, did: str = DID) -> OutgoingCall:
    call = await stage.dial(number, did, CALLER_HZ)
    await await_tone(call, NOTICE_HZ)
    return call


async def recording(stage: Stage, number: str) -> OutgoingCall:
    call = await stage.dial(number, tone_hz=CALLER_HZ)
    await stage.fact(number, "recording_started")
    await await_tone(call, AGENT_HZ)
    return call


async def is_unrecorded(stage: Stage, number: str, call: OutgoingCall) -> None:
    """Make sure that a call which reached the agent leaves no file and no timer behind."""
    assert float(await stage.variable(number, "TIMEOUT(absolute)")) == 0
    assert "0x" not in await mixmonitors(stage, number)
    await call.hang_up()
    await stage.ended(number)
    row = stage.recording_of(number)
    assert row is None or row.state == "failed"
    await eventually(lambda: stage.spool_files() == [])


async def mixmonitors(stage: Stage, number: str) -> str:
    """Return what Asterisk says of recordings on the customer's channel."""
    call = stage.call_of(number)
    assert call is not None
    asterisk = stage.site.asterisk
    name = next(one.name for one in await asterisk.channels() if one.uniqueid == call.channel_id)
    return await asterisk.cli(f"mixmonitor list {name}")


async def test_a_daemon_killed_in_the_notice_loses_no_call(lines: Lines, stage: Stage) -> None:
    told, waiting = new_number(), new_number()

    async def in_the_grace_time() -> OutgoingCall:
        call = await stage.dial(waiting, PATIENT)
        await stage.fact(waiting, "notice_played")
        return call

    second = await in_the_grace_time()
    first = await in_the_notice(stage, told)
    await lines.site.kill_daemon()
    await asyncio.gather(*(await_tone(call, AGENT_HZ, 10.0) for call in (first, second)))
    print(f"killed in the notice, rescued: {dead_air(first):.2f} s of silence after it")
    assert await stage.variable(told, "ARI_CONTROLLER_RESULT") == ""
    await lines.site.start_daemon()
    for number, call in ((told, first), (waiting, second)):
        await is_unrecorded(stage, number, call)
        row = await stage.ended(number)
        assert (row.outcome, row.reason) == ("failed", "daemon_away")
    assert stage.facts_of(told) == ["call_entered", "call_ended"]


async def test_the_dialplan_alone_takes_a_call_on_that_nobody_looks_after(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await in_the_notice(stage, number)
    lines.stop(lines.site.rescue)
    await lines.site.kill_daemon()
    await await_tone(call, AGENT_HZ, 10.0)
    print(f"killed in the notice, dead-man's switch: {dead_air(call):.2f} s of silence after it")
    lines.go_on()
    await lines.site.start_daemon()
    await is_unrecorded(stage, number, call)


async def test_a_recording_goes_on_without_its_daemon_and_is_adopted(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await recording(stage, number)
    await lines.site.kill_daemon()
    call.set_tone(900)
    await await_tone(call, AGENT_HZ)
    await lines.site.start_daemon()
    await eventually(lambda: b'"recording adopted"' in lines.site.log.read_bytes())
    call.set_tone(1100)
    await talk(call, 0.5)
    row = await stage.sealed(number)
    assert (row.stop_reason, row.marks) == ("hang_up", ())
    assert stage.facts_of(number) == RECORDED
    customer, agent = wav_channels(stage.file_of(row)).channels
    assert all(hears(customer, hz) for hz in (CALLER_HZ, 900, 1100))
    assert hears(agent, AGENT_HZ, for_seconds=0.5)


async def test_a_recording_that_ended_without_its_daemon_is_sealed_at_the_next_start(
    lines: Lines, stage: Stage
) -> None:
    number, meanwhile = new_number(), new_number()
    call = await recording(stage, number)
    await lines.site.kill_daemon()
    await call.hang_up()
    # With no daemon there at all, a new call reaches the agent at once, unrecorded.
    other = await stage.dial(meanwhile)
    await talk(other, 0.2)
    assert not hears(other, NOTICE_HZ)
    await lines.site.start_daemon()
    row = await stage.sealed(number)
    assert (row.stop_reason, row.marks) == ("daemon_away", ())
    ended = await stage.ended(number)
    assert (ended.outcome, ended.reason) == ("recorded", "daemon_away")
    assert stage.facts_of(number) == RECORDED
    assert stage.call_of(meanwhile) is None


async def test_a_daemon_that_is_stopped_lets_calls_go_on_and_seals_what_ends(
    lines: Lines, stage: Stage
) -> None:
    kept, told, late = new_number(), new_number(), new_number()
    first = await recording(stage, kept)
    second = await in_the_notice(stage, told)
    stopping = asyncio.create_task(lines.site.stop_daemon())
    await stage.fact(told, "consent_refused")
    third = await stage.dial(late)
    await asyncio.gather(*(await_tone(call, AGENT_HZ, 10.0) for call in (first, second, third)))
    assert not hears(third, NOTICE_HZ)
    assert not stopping.done()
    await second.hang_up()
    await talk(first, 0.2)
    assert await stopping == 0
    assert (await stage.sealed(kept)).marks == ()
    assert stage.facts_of(kept) == RECORDED
    await talk(third, 0.1)
    await lines.site.start_daemon()
    assert (await stage.ended(told)).outcome == "refused"
    refused = await stage.fact(told, "consent_refused")
    assert refused.public["reason"] == "daemon_stopping"


@pytest.mark.parametrize("did", [DID, LONG])
async def test_a_daemon_that_wakes_late_in_the_notice_keeps_off(
    lines: Lines, stage: Stage, did: str
) -> None:
    number = new_number()
    call = await in_the_notice(stage, number, did)
    lines.stop(lines.site.daemon)
    await await_tone(call, AGENT_HZ, 10.0)
    print(f"hung in the notice, rescued: {dead_air(call):.2f} s of silence after it")
    lines.go_on()
    await stage.fact(number, "consent_refused")
    await is_unrecorded(stage, number, call)


async def test_a_daemon_that_wakes_late_in_the_grace_time_keeps_off(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await stage.dial(number)
    await stage.fact(number, "notice_played")
    lines.stop(lines.site.daemon)
    await await_tone(call, AGENT_HZ, 10.0)
    lines.go_on()
    await eventually(lambda: set(stage.facts_of(number)) & {"consent_refused", "not_recorded"})
    await is_unrecorded(stage, number, call)


async def test_a_line_to_ari_that_breaks_in_the_notice_loses_no_call(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await in_the_notice(stage, number)
    lines.ari.cut()
    await await_tone(call, AGENT_HZ, 10.0)
    await is_unrecorded(stage, number, call)
    assert (await stage.ended(number)).outcome == "refused"


async def test_a_line_to_ari_that_hangs_in_the_notice_loses_no_call(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await in_the_notice(stage, number)
    lines.ari.stall()
    await await_tone(call, AGENT_HZ, 10.0)
    print(f"ARI hung in the notice: {dead_air(call):.2f} s of silence after it")
    lines.ari.resume()
    await eventually(lambda: set(stage.facts_of(number)) & {"consent_refused", "not_recorded"})
    await is_unrecorded(stage, number, call)


async def test_without_ami_a_call_goes_on_unrecorded(lines: Lines, stage: Stage) -> None:
    number = new_number()
    lines.ami.stall()
    lines.ami.cut()
    await ready(lines.site, wanted=False)
    call = await stage.dial(number)
    await await_tone(call, AGENT_HZ, 10.0)
    assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == "mixmonitor_failed"
    await is_unrecorded(stage, number, call)
    row = await stage.ended(number)
    assert (row.outcome, row.reason) == ("failed", "mixmonitor_failed")


async def test_an_ami_that_obeys_too_late_leaves_no_recording_behind(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    # Right behind a ping: a second one on the stalled line would give the line up too early.
    passed = lines.ami.passed_bytes
    await eventually(lambda: lines.ami.passed_bytes > passed)
    call = await stage.dial(number, PATIENT)
    await stage.fact(number, "notice_played")
    lines.ami.stall()
    await await_tone(call, AGENT_HZ, 15.0)
    await stage.fact(number, "recording_failed")
    lines.ami.resume()
    await until(stage, number, "ARI_CONTROLLER_MIXMONITOR_ID", lambda value: value != "")
    async with asyncio.timeout(10.0):
        while True:
            if "0x" not in await mixmonitors(stage, number):
                break
            await asyncio.sleep(0.05)
    await is_unrecorded(stage, number, call)


async def test_an_ami_that_obeys_too_late_cuts_nobody_off(lines: Lines, stage: Stage) -> None:
    number, log = new_number(), lines.site.asterisk.log
    call = await in_the_notice(stage, number)
    lines.ami.stall()
    await await_tone(call, AGENT_HZ, 10.0)
    print(f"AMI hung in the notice: {dead_air(call):.2f} s of silence after it")
    await eventually(lambda: set(stage.facts_of(number)) & {"consent_refused", "not_recorded"})
    armed = log.read_text(encoding="utf-8").count("Channel will hangup")
    lines.ami.resume()
    await eventually(lambda: log.read_text(encoding="utf-8").count("Channel will hangup") > armed)
    await until(stage, number, "TIMEOUT(absolute)", lambda value: float(value) == 0)
    await await_tone(call, AGENT_HZ)
    await is_unrecorded(stage, number, call)


async def until(stage: Stage, number: str, variable: str, holds: Callable[[str], bool]) -> None:
    """Wait until a variable of the customer's channel is as it should be."""
    async with asyncio.timeout(10.0):
        while True:
            if holds(await stage.variable(number, variable)):
                return
            await asyncio.sleep(0.05)


async def test_an_asterisk_that_says_success_and_writes_no_file_is_noticed(
    lines: Lines, stage: Stage
) -> None:
    number, spool = new_number(), lines.site.spool
    anomalies = "ari_controller_anomalies_total"
    before = await stage.metric(anomalies, kind="success_without_file")
    away = spool.rename(spool.with_name("spool-away"))
    spool.write_text("not a folder", encoding="utf-8")
    try:
        call = await stage.dial(number)
        await await_tone(call, AGENT_HZ)
        assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == "no_file"
        failed = await stage.fact(number, "recording_failed")
        await call.hang_up()
        row = await stage.ended(number)
    finally:
        spool.unlink()
        away.rename(spool)
    assert (row.outcome, row.reason, failed.public["reason"]) == ("failed", "no_file", "no_file")
    assert await stage.metric(anomalies, kind="success_without_file") == before + 1
    assert stage.facts_of(number) == [
        "call_entered",
        "notice_played",
        "consent_given",
        "recording_failed",
        "not_recorded",
        "call_ended",
    ]


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Keep the store to ourselves, as a backup program that misbehaves would."""
    connection = sqlite3.connect(site.directory / "store.db", isolation_level=None)
    try:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def test_with_the_store_locked_nobody_is_asked_and_the_call_goes_on(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    with locked(lines.site):
        call = await stage.dial(number)
        await await_tone(call, AGENT_HZ)
    assert not hears(call, NOTICE_HZ)
    await stage.fact(number, "not_recorded")
    assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == "ledger_failed"
    await is_unrecorded(stage, number, call)
    assert stage.facts_of(number) == ["call_entered", "not_recorded", "call_ended"]


async def test_with_the_store_locked_in_the_notice_the_call_goes_on_unrecorded(
    lines: Lines, stage: Stage
) -> None:
    number = new_number()
    call = await in_the_notice(stage, number)
    with locked(lines.site):
        await await_tone(call, AGENT_HZ)
    print(f"store locked in the notice: {dead_air(call):.2f} s of silence after it")
    await stage.fact(number, "not_recorded")
    await is_unrecorded(stage, number, call)
    row = await stage.ended(number)
    assert (row.outcome, row.reason) == ("failed", "ledger_failed")


async def test_what_a_killed_asterisk_left_is_repaired_and_sealed(
    lines: Lines, stage: Stage
) -> None:
    number, next_one = new_number(), new_number()
    call = await recording(stage, number)
    spool = lines.site.spool
    # Asterisk writes blocks of 32 KiB: before the first one there is nothing to repair.
    await eventually(lambda: all(path.stat().st_size > 44 for path in spool.iterdir()))
    await lines.site.asterisk.kill()
    call.abandon()
    await lines.site.asterisk.start()
    await ready(lines.site)
    row = await stage.sealed(number)
    assert "repaired" in row.marks
    customer, agent = wav_channels(stage.file_of(row)).channels
    assert hears(customer, CALLER_HZ, for_seconds=1.0)
    assert hears(agent, AGENT_HZ, for_seconds=1.0)
    assert stage.facts_of(number) == RECORDED
    await talk(await stage.dial(next_one), 0.3)
    assert (await stage.sealed(next_one)).marks == ()
