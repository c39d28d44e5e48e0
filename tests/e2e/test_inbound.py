"""Inbound calls (N1): notice, opt-out, grace, consent implied, MixMonitor, on to the agent."""

import pytest

from lab.story import AGENT_HZ, inbound, talk
from lab.tones import await_tone, level, wav_channels
from tests.e2e.stage import ABSENT, Stage, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
CALLER_HZ = 700


async def test_a_caller_who_stays_is_recorded_with_both_sides(stage: Stage) -> None:
    number = new_number()
    await talk(await inbound(stage.cast, number, CALLER_HZ), 2.0)
    call, recording = await stage.ended(number), await stage.sealed(number)
    assert (call.outcome, recording.stop_reason, recording.marks) == ("recorded", "hang_up", ())
    customer, agent = wav_channels(stage.file_of(recording)).channels
    assert level(customer, CALLER_HZ) > 1000
    assert level(customer, AGENT_HZ) < ABSENT
    assert level(agent, AGENT_HZ) > 1000
    assert level(agent, CALLER_HZ) < ABSENT
    assert stage.facts_of(number) == [
        "call_entered",
        "notice_played",
        "consent_given",
        "recording_started",
        "recording_stopped",
        "call_ended",
        "recording_sealed",
    ]


async def test_nothing_from_before_consent_is_in_the_file(stage: Stage) -> None:
    number = new_number()
    call = await inbound(stage.cast, number, 900)
    await stage.fact(number, "notice_played")
    call.set_tone(CALLER_HZ)  # from here the grace time runs: the caller may still press
    await stage.fact(number, "consent_given")
    call.set_tone(1100)
    await await_tone(call, AGENT_HZ, 20.0)
    await call.hang_up()
    customer, _ = wav_channels(stage.file_of(await stage.sealed(number))).channels
    assert level(customer, 900) < ABSENT
    assert level(customer, 1100) > 500


async def test_the_opt_out_key_means_no_recording_and_the_call_goes_on(stage: Stage) -> None:
    number = new_number()
    call = await inbound(stage.cast, number, CALLER_HZ)
    await call.dtmf("2")
    await talk(call, 1.0)
    assert (await stage.ended(number)).outcome == "refused"
    assert stage.recording_of(number) is None
    assert stage.spool_files() == []
