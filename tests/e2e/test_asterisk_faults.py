"""Asterisk, the lines to it, the spool or the store fail in inbound calls: the call goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from lab.site import Site
from lab.story import AGENT_HZ, talk
from lab.tones import await_tone, hears, wav_channels
from tests.e2e.conftest import phones
from tests.e2e.fast import NOTICE_HZ, PATIENT
from tests.e2e.lines import (
    CALLER_HZ,
    RECORDED,
    Lines,
    dead_air,
    in_the_notice,
    is_unrecorded,
    mixmonitors,
    ready,
    recording,
    until,
)
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(lines: Lines) -> AsyncIterator[Stage]:
    async with phones(lines.site) as stage:
        yield stage


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
