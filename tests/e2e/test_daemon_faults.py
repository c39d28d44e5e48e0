"""The daemon killed, stopped or hung in the middle of inbound calls: the call goes on (rule 3)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.phone import OutgoingCall
from lab.story import AGENT_HZ, DID, talk
from lab.tones import await_tone, hears, wav_channels
from tests.e2e.conftest import phones
from tests.e2e.fast import LONG, NOTICE_HZ, PATIENT
from tests.e2e.lines import (
    CALLER_HZ,
    RECORDED,
    Lines,
    dead_air,
    in_the_notice,
    is_unrecorded,
    recording,
)
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(lines: Lines) -> AsyncIterator[Stage]:
    async with phones(lines.site) as stage:
        yield stage


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
