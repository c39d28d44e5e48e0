"""Inbound calls (N1): notice, opt-out, grace, consent implied, MixMonitor, on to the agent."""

import asyncio
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from ari_controller.recording.checks import SILENCE_PEAK
from lab.g711 import Samples
from lab.phone import CallEndedError, CallState, IncomingCall, OutgoingCall
from lab.story import AGENT_HZ, answer_as_agent, inbound, talk
from lab.tones import (
    AUDIBLE,
    RATE,
    await_tone,
    hears,
    level,
    seconds_of,
    timeline,
    wav_channels,
)
from tests.e2e.fast import (
    ASKING,
    EARLY,
    LIMITED,
    NOTICE_HZ,
    NOTICE_SECONDS,
    PATIENT,
    QUESTION_HZ,
    STRICT,
    TWICE,
)
from tests.e2e.stage import ABSENT, Stage, new_number

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


async def refusal_of(stage: Stage, number: str) -> dict[str, Any]:
    """Wait for the end of a call that must have been refused, and return how."""
    call = await stage.ended(number)
    assert (call.outcome, stage.recording_of(number)) == ("refused", None)
    refused = await stage.fact(number, "consent_refused")
    assert not any(number[1:] in name for name in stage.spool_files())
    return dict(refused.public)


def sounds_before(samples: Samples, hz: int) -> set[int]:
    """Return the strongest frequency, to 20 Hz, of each 50 ms before the tone begins; no silence.

    The windows next to the beginning may hold a part of it and are left out.
    """
    windows = timeline(samples, [hz])
    first = next(begun for begun, levels in windows if levels[hz] >= AUDIBLE)
    found = set()
    for begun, _ in windows:
        window = samples[round(begun * RATE) : round((begun + 0.05) * RATE)]
        if begun < first - 0.06 and np.abs(window.astype(int)).max() > SILENCE_PEAK:
            found.add(20 * int(np.abs(np.fft.rfft(window)).argmax()))
    return found


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
    # The notice is speech. What was sent to the customer before the agent is the ringing, 450 Hz.
    assert sounds_before(agent, AGENT_HZ) <= {440, 460}
    assert stage.facts_of(number) == RECORDED
    assert stage.spool_files() == []


async def test_nothing_from_before_consent_is_in_the_file(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number, tone_hz=900)
    await stage.fact(number, "notice_played")
    call.set_tone(CALLER_HZ)  # from here the grace time runs: the caller may still press
    await stage.fact(number, "consent_given")
    call.set_tone(1100)
    await talk(call, 0.3)
    assert seconds_of(call, NOTICE_HZ) > 0.8 * NOTICE_SECONDS
    customer, agent = wav_channels(stage.file_of(await stage.sealed(number))).channels
    assert not hears(customer, 900, for_seconds=0.05)
    assert not hears(agent, NOTICE_HZ, for_seconds=0.05)
    assert hears(customer, 1100)
    assert hears(agent, AGENT_HZ)


async def test_the_opt_out_key_means_no_recording_and_the_call_goes_on(stage: Stage) -> None:
    number = new_number()
    call = await inbound(stage.cast, number, CALLER_HZ)
    await call.dtmf("2")
    await talk(call, 0.5)
    refused = await refusal_of(stage, number)
    assert (refused["reason"], refused["phase"], refused["key"]) == (
        "opted_out",
        "information",
        "2",
    )
    assert stage.facts_of(number) == ["call_entered", "consent_refused", "call_ended"]


async def test_the_opt_out_key_counts_until_the_grace_time_is_over(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number, PATIENT)
    await stage.fact(number, "notice_played")
    await call.dtmf("9")
    await await_tone(call, AGENT_HZ)
    assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == "opted_out"
    await call.hang_up()
    assert (await refusal_of(stage, number))["phase"] == "grace"
    expected = ["call_entered", "notice_played", "consent_refused", "call_ended"]
    assert stage.facts_of(number) == expected


async def test_no_other_key_is_an_opt_out(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number)
    await call.dtmf("1*#5", seconds=0.06, pause_seconds=0.06)
    await talk(call, 0.5)
    assert (await stage.ended(number)).outcome == "recorded"
    assert await stage.sealed(number)


async def test_a_caller_who_hangs_up_before_consent_has_refused(fast_stage: Stage) -> None:
    stage, in_notice, in_grace = fast_stage, new_number(), new_number()

    async def leave_in_the_notice() -> None:
        call = await stage.dial(in_notice)
        await await_tone(call, NOTICE_HZ)
        await call.hang_up()

    async def leave_in_the_grace_time() -> None:
        call = await stage.dial(in_grace, PATIENT)
        await stage.fact(in_grace, "notice_played")
        await call.hang_up()

    await asyncio.gather(leave_in_the_notice(), leave_in_the_grace_time())
    for number, phase in ((in_notice, "information"), (in_grace, "grace")):
        refused = await refusal_of(stage, number)
        assert (refused["reason"], refused["phase"]) == ("hung_up", phase)
    assert stage.facts_of(in_notice) == ["call_entered", "consent_refused", "call_ended"]


async def test_afterwards_the_dialplan_reads_the_result_and_has_its_own_time_limit_back(
    fast_stage: Stage,
) -> None:
    stage, limited, unlimited = fast_stage, new_number(), new_number()

    async def limit_in_the_conversation(number: str, did: str) -> float:
        call = await stage.dial(number, did)
        await await_tone(call, AGENT_HZ)
        assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == "recorded"
        limit = await stage.variable(number, "TIMEOUT(absolute)")
        await call.hang_up()
        return float(limit)

    hour, none = await asyncio.gather(
        limit_in_the_conversation(limited, LIMITED), limit_in_the_conversation(unlimited, EARLY)
    )
    assert 3500 < hour <= 3600
    assert none == 0


async def test_a_call_that_comes_back_is_not_asked_again_and_recorded_once(
    fast_stage: Stage,
) -> None:
    stage, stays, refuses = fast_stage, new_number(), new_number()

    async def come_back(number: str, key: str) -> OutgoingCall:
        call = await stage.dial(number, TWICE)
        await call.dtmf(key)
        await await_tone(call, AGENT_HZ)
        return call

    staying, refusing = await asyncio.gather(come_back(stays, "5"), come_back(refuses, "2"))
    assert await stage.variable(stays, "ARI_CONTROLLER_RESULT") == "recorded"
    assert await stage.variable(refuses, "ARI_CONTROLLER_RESULT") == "opted_out"
    await asyncio.gather(staying.hang_up(), refusing.hang_up())
    assert await stage.sealed(stays)
    assert stage.facts_of(stays) == RECORDED
    assert seconds_of(staying, NOTICE_HZ) < 1.2 * NOTICE_SECONDS
    assert (await refusal_of(stage, refuses))["reason"] == "opted_out"
    assert stage.facts_of(refuses) == ["call_entered", "consent_refused", "call_ended"]


async def answer_with_low_sequence(call: IncomingCall) -> None:
    """Answer as an agent whom Debian's Asterisk does not take for late (docs/asterisk.md)."""
    call.start_sequence = 1000
    await answer_as_agent(call)


async def test_the_notice_can_come_before_the_answer(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    stage.cast.agent.on_invite = answer_with_low_sequence
    call = await stage.dial(number, EARLY)
    await await_tone(call, NOTICE_HZ)
    assert call.state is CallState.EARLY
    await stage.fact(number, "recording_started")
    assert not [code for _, code in call.responses if code >= 200]
    await call.answered()
    await talk(call, 0.5)
    row, recording = await stage.ended(number), await stage.sealed(number)
    assert (row.outcome, row.media) == ("recorded", "early")
    assert stage.facts_of(number) == RECORDED
    assert (await stage.fact(number, "notice_played")).public["media"] == "early"
    facts = stage.sidecar_of(recording)["facts"]
    assert facts["notice"]["media"] == "early"
    customer, agent = wav_channels(stage.file_of(recording)).channels
    assert hears(customer, CALLER_HZ)
    assert hears(agent, AGENT_HZ)
    assert not hears(agent, NOTICE_HZ, for_seconds=0.05)


async def test_the_opt_out_key_counts_before_the_answer_too(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number, EARLY)
    await call.dtmf("2")
    assert call.state is CallState.EARLY
    await talk(call, 0.2)
    assert (await refusal_of(stage, number))["reason"] == "opted_out"


async def test_a_policy_may_end_the_call_that_was_refused(fast_stage: Stage) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number, STRICT)
    with suppress(CallEndedError):  # it may come before the key is up again
        await call.dtmf("2")
    assert (await call.ended()).by == "them"
    assert (await refusal_of(stage, number))["reason"] == "opted_out"
    assert not hears(call, AGENT_HZ)


async def test_a_caller_can_be_asked_for_a_key(fast_stage: Stage) -> None:
    stage, agrees, refuses = fast_stage, new_number(), new_number()

    async def answer(number: str, key: str) -> None:
        call = await stage.dial(number, ASKING)
        await await_tone(call, QUESTION_HZ)
        await call.dtmf(key)
        await talk(call, 0.3)

    await asyncio.gather(answer(agrees, "1"), answer(refuses, "2"))
    given = await stage.fact(agrees, "consent_given")
    assert (given.public["key"], given.public["mode"]) == ("1", "prompted")
    assert await stage.sealed(agrees)
    refused = await refusal_of(stage, refuses)
    assert (refused["reason"], refused["key"]) == ("refusing_key", "2")


async def test_every_decision_is_counted_by_mode_and_every_call_by_outcome(
    fast_stage: Stage,
) -> None:
    stage, stays, leaves = fast_stage, new_number(), new_number()

    async def counted() -> tuple[float, ...]:
        consent = "ari_controller_consent_total"
        ended = "ari_controller_calls_ended_total"
        recordings = "ari_controller_recordings_total"
        return (
            await stage.metric(consent, mode="implied", outcome="given"),
            await stage.metric(consent, mode="implied", outcome="refused"),
            await stage.metric(ended, direction="inbound", outcome="recorded"),
            await stage.metric(ended, direction="inbound", outcome="refused"),
            await stage.metric(recordings, outcome="started"),
            await stage.metric(recordings, outcome="sealed"),
        )

    async def stay() -> None:
        await talk(await stage.dial(stays), 0.3)

    async def leave() -> None:
        call = await stage.dial(leaves)
        await await_tone(call, NOTICE_HZ)
        await call.hang_up()

    before = await counted()
    await asyncio.gather(stay(), leave())
    await asyncio.gather(stage.ended(stays), stage.ended(leaves))
    await stage.sealed(stays)
    expected = tuple(value + 1 for value in before)
    async with asyncio.timeout(5.0):
        while True:
            if await counted() == expected:
                return
            await asyncio.sleep(0.05)


async def test_the_sites_own_dialplan_may_still_do_everything_afterwards(stage: Stage) -> None:
    number = new_number()
    asterisk = stage.site.asterisk
    call = await stage.cast.caller.call(
        f"sip:0374800802@{stage.cast.server}", CALLER_HZ, user=number
    )
    await call.answered()
    await stage.fact(number, "not_recorded")
    shown = ""
    async with asyncio.timeout(10.0):
        while "Value" not in shown:
            shown = await asterisk.cli(f"database get lab-result {number}")
    await call.hang_up()
    assert shown == "Value: no_policy"
    assert "Dangerous function" not in asterisk.log.read_text(encoding="utf-8")
