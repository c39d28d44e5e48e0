"""Outbound calls (N2): the customer is told and asked before the agent is bridged."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from lab.call import Call, CallEndedError
from lab.story import AGENT_HZ, outbound
from lab.tones import await_tone, hears, level, seconds_of, wav_channels
from tests.e2e.quick import (
    ENDING,
    INFORMATION_HZ,
    NOT_RECORDED_HZ,
    QUESTION_HZ,
    QUESTION_SECONDS,
    RECORDED_HZ,
    WAIT_HZ,
    asked,
    connected,
    informed,
    question_over,
    recorded_call,
)
from tests.e2e.stage import ABSENT, Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
CUSTOMER_HZ = 1700
Reached = Callable[[Call], Awaitable[None]]
REFUSED = ["call_entered", "notice_played", "consent_refused", "call_ended"]


async def test_agreeing_records_the_customer_left_and_the_agent_right(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
    await customer.hang_up()
    await agent.ended()
    call, recording = await quick.ended(number), await quick.sealed(number)
    assert (call.direction, call.outcome, call.agent_endpoint) == ("outbound", "recorded", "agent")
    assert quick.facts_of(number) == [
        "call_entered",
        "notice_played",
        "consent_given",
        "recording_started",
        "recording_stopped",
        "call_ended",
        "recording_sealed",
    ]
    left, right = wav_channels(quick.file_of(recording)).channels
    assert level(left, CUSTOMER_HZ) > 1000
    assert level(left, AGENT_HZ) < ABSENT
    assert level(right, AGENT_HZ) > 1000
    assert level(right, CUSTOMER_HZ) < ABSENT


async def test_the_sidecar_names_the_agent_and_how_the_customer_agreed(quick: Stage) -> None:
    number = new_number()
    _, customer = await recorded_call(quick, number, CUSTOMER_HZ)
    await customer.hang_up()
    sidecar = quick.sidecar_of(await quick.sealed(number))
    facts, masked = sidecar["facts"], f"+40*******{number[-2:]}"
    assert facts["parties"] == [
        {"role": "customer", "number": masked},
        {"role": "agent", "endpoint": "agent"},
    ]
    consent = facts["consent"]
    assert (consent["mode"], consent["fact"], consent["key"]) == ("prompted", "consent_given", "1")
    assert facts["notice"]["id"] == "outbound"


async def test_nothing_from_before_consent_and_nothing_of_the_prompt_is_in_the_file(
    quick: Stage,
) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, 2000)
    await asked(customer)
    customer.set_tone(CUSTOMER_HZ)  # no audio goes out while the key is down
    await customer.dtmf("1")
    await connected(agent, customer, CUSTOMER_HZ)
    await eventually(lambda: hears(agent, RECORDED_HZ))
    await customer.hang_up()
    left, right = wav_channels(quick.file_of(await quick.sealed(number))).channels
    assert level(left, CUSTOMER_HZ) > 1000
    assert not hears(left, 2000, for_seconds=0.05)
    for hz in (INFORMATION_HZ, QUESTION_HZ, RECORDED_HZ, *WAIT_HZ):
        assert not hears(right, hz, for_seconds=0.05)


async def test_the_agreeing_key_does_not_count_in_the_information_part(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
    await informed(customer)
    await customer.dtmf("1")
    await connected(agent, customer, CUSTOMER_HZ)
    asked_seconds = seconds_of(customer, QUESTION_HZ)
    await customer.hang_up()
    call = await quick.ended(number)
    assert (call.outcome, call.reason) == ("refused", "silence")
    assert quick.facts_of(number) == REFUSED
    assert quick.recording_of(number) is None
    assert asked_seconds > 1.5 * QUESTION_SECONDS  # silence was asked a second time


async def test_the_refusing_key_counts_at_once_in_the_information_part(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
    await informed(customer)
    await customer.dtmf("2")
    await connected(agent, customer, CUSTOMER_HZ)
    await customer.hang_up()
    call = await quick.ended(number)
    assert (call.outcome, call.reason) == ("refused", "refusing_key")
    assert quick.facts_of(number) == ["call_entered", "consent_refused", "call_ended"]
    assert not hears(customer, QUESTION_HZ)
    assert quick.recording_of(number) is None


async def test_a_wrong_key_is_asked_again_and_then_is_a_refusal(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
    await question_over(customer)
    await customer.dtmf("5")
    await asked(customer)
    await customer.dtmf("7")
    await connected(agent, customer, CUSTOMER_HZ)
    await customer.hang_up()
    call = await quick.ended(number)
    assert (call.outcome, call.reason) == ("refused", "wrong_key")
    assert quick.facts_of(number) == REFUSED
    assert quick.entries_of(number)[2].public["key"] == "7"


async def test_agreeing_works_when_asked_a_second_time(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
    await question_over(customer)
    await asked(customer)
    await customer.dtmf("1")
    await connected(agent, customer, CUSTOMER_HZ)
    await customer.hang_up()
    await quick.sealed(number)
    assert quick.entries_of(number)[2].public["asked"] == 2


async def test_a_policy_can_end_the_call_that_was_refused(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ, prefix=ENDING)
    await informed(customer)
    with pytest.raises(CallEndedError):  # it ends before the phone is through with the key
        await customer.dtmf("2")
    assert (await customer.ended()).by == "them"
    assert (await agent.ended()).by == "them"
    assert not hears(customer, AGENT_HZ)
    assert (await quick.ended(number)).outcome == "refused"


async def test_silence_is_a_refusal_and_the_call_goes_on_within_30_seconds(stage: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(stage.cast, number, CUSTOMER_HZ)
    answered = asyncio.get_running_loop().time()
    bridged = await await_tone(customer, AGENT_HZ, 45.0)
    assert bridged - answered < 30.0
    await connected(agent, customer, CUSTOMER_HZ)
    await customer.hang_up()
    call = await stage.ended(number)
    assert (call.outcome, call.reason) == ("refused", "silence")
    assert stage.recording_of(number) is None


async def test_the_agent_hears_wait_music_and_not_the_customer_in_the_prompt(quick: Stage) -> None:
    number = new_number()
    agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
    await _wait_music_until_bridged(agent, customer)


async def test_the_agent_hears_wait_music_also_when_the_trunk_sends_early_media(
    quick: Stage,
) -> None:
    number = new_number()
    agent = await quick.cast.agent.call(
        f"sip:9{number}@{quick.cast.server}", AGENT_HZ, user="agent"
    )
    customer = await quick.cast.trunk_call(number)
    await customer.progress(CUSTOMER_HZ)
    await await_tone(agent, WAIT_HZ[0])
    await customer.answer()
    await _wait_music_until_bridged(agent, customer)


async def _wait_music_until_bridged(agent: Call, customer: Call) -> None:
    await asked(customer)
    await customer.dtmf("1")
    bridged = await await_tone(agent, CUSTOMER_HZ)
    waited = agent.heard.samples(until=bridged - 0.3)
    assert len(waited) > 8000
    for hz in (CUSTOMER_HZ, INFORMATION_HZ, QUESTION_HZ):
        assert not hears(waited, hz, for_seconds=0.05, threshold=300)
    for start in range(0, len(waited) - 6400, 800):  # one note of the music lasts 0.8 s
        assert abs(waited[start : start + 6400]).max() > 1500
    await connected(agent, customer, CUSTOMER_HZ)
    for hz in WAIT_HZ:
        assert not hears(customer, hz, for_seconds=0.05)


async def test_the_agent_alone_hears_whether_the_call_is_recorded(quick: Stage) -> None:
    agreed, refused = new_number(), new_number()

    async def agree() -> tuple[Call, Call]:
        return await recorded_call(quick, agreed, CUSTOMER_HZ)

    async def refuse() -> tuple[Call, Call]:
        agent, customer = await outbound(quick.cast, refused, CUSTOMER_HZ)
        await informed(customer)
        await customer.dtmf("2")
        await connected(agent, customer, CUSTOMER_HZ)
        return agent, customer

    for (agent, customer), tone_hz, other_hz in (
        (await agree(), RECORDED_HZ, NOT_RECORDED_HZ),
        (await refuse(), NOT_RECORDED_HZ, RECORDED_HZ),
    ):
        await eventually(lambda agent=agent, hz=tone_hz: hears(agent, hz, for_seconds=0.2))  # type: ignore[misc]
        await customer.hang_up()
        assert not hears(agent, other_hz, for_seconds=0.05)
        assert not hears(customer, RECORDED_HZ, for_seconds=0.05)
        assert not hears(customer, NOT_RECORDED_HZ, for_seconds=0.05)


async def test_an_agent_who_hangs_up_in_the_prompt_ends_it_unrecorded(quick: Stage) -> None:
    async def hang_up_when(reached: Reached) -> None:
        number = new_number()
        agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
        await reached(customer)
        await agent.hang_up()
        assert (await customer.ended()).by == "them"
        call = await quick.ended(number)
        assert (call.outcome, call.reason) == ("refused", "agent_hung_up")
        assert quick.recording_of(number) is None

    await asyncio.gather(*(hang_up_when(reached) for reached in (informed, asked, question_over)))


async def test_a_customer_who_hangs_up_in_the_prompt_ends_it_unrecorded(quick: Stage) -> None:
    async def hang_up_when(reached: Reached) -> None:
        number = new_number()
        agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
        await reached(customer)
        await customer.hang_up()
        assert (await agent.ended()).by == "them"
        call = await quick.ended(number)
        assert (call.outcome, call.reason) == ("refused", "hung_up")
        assert quick.recording_of(number) is None

    await asyncio.gather(*(hang_up_when(reached) for reached in (informed, asked, question_over)))


@pytest.mark.parametrize("code", [486, 603, 480])
async def test_a_call_that_nobody_answers_is_not_ours(quick: Stage, code: int) -> None:
    number = new_number()
    agent = await quick.cast.agent.call(f"sip:9{number}@{quick.cast.server}", user="agent")
    customer = await quick.cast.trunk_call(number)
    await customer.ring()
    await customer.decline(code)
    ending = await agent.ended()
    assert ending.by == "them"
    assert quick.call_of(number) is None


async def test_an_agent_who_gives_up_while_it_rings_leaves_no_call_behind(quick: Stage) -> None:
    number = new_number()
    agent = await quick.cast.agent.call(f"sip:9{number}@{quick.cast.server}", user="agent")
    customer = await quick.cast.trunk_call(number)
    await customer.ring()
    await agent.hang_up()
    await customer.ended()
    assert quick.call_of(number) is None


async def test_two_calls_at_the_same_time_do_not_mix(quick: Stage) -> None:
    async def call(number: str, customer_hz: int, agent_hz: int) -> None:
        agent, customer = await outbound(quick.cast, number, customer_hz, agent_hz=agent_hz)
        await asked(customer)
        await customer.dtmf("1")
        await asyncio.gather(await_tone(agent, customer_hz), await_tone(customer, agent_hz))
        await quick.fact(number, "recording_started")
        await eventually(lambda: hears(customer, agent_hz, for_seconds=1.0))
        await customer.hang_up()

    voices = {new_number(): (1700, 1300), new_number(): (2300, 1900)}
    await asyncio.gather(*(call(number, *hz) for number, hz in voices.items()))
    for number, own in voices.items():
        for samples, hz in zip(
            wav_channels(quick.file_of(await quick.sealed(number))).channels, own, strict=True
        ):
            assert level(samples, hz) > 1000
            for other in {hz for pair in voices.values() for hz in pair} - {hz}:
                assert level(samples, other) < ABSENT


async def test_ten_calls_at_the_same_time_have_one_outcome_each(quick: Stage) -> None:
    async def call(number: str, key: str) -> None:
        agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
        await asked(customer)
        await customer.dtmf(key)
        await asyncio.gather(await_tone(agent, CUSTOMER_HZ), await_tone(customer, AGENT_HZ))
        await customer.hang_up()

    async def told() -> Counter[str]:
        outcomes = ("recorded", "refused", "failed", "not_recorded", "withdrawn")
        name = "ari_controller_calls_ended_total"
        return Counter(
            {o: int(await quick.metric(name, direction="outbound", outcome=o)) for o in outcomes}
        )

    before = await told()
    keys = {new_number(): "1" if n % 2 else "2" for n in range(10)}
    await asyncio.gather(*(call(number, key) for number, key in keys.items()))
    for number, key in keys.items():
        expected = "recorded" if key == "1" else "refused"
        assert (await quick.ended(number)).outcome == expected
        assert quick.facts_of(number).count("call_ended") == 1
    assert await told() - before == Counter(recorded=5, refused=5)
