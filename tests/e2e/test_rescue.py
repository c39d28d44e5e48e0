"""The rescue process: whatever becomes of the daemon, the people on the call can talk."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lab.phone import IncomingCall, OutgoingCall
from lab.story import AGENT_HZ, inbound, outbound
from lab.tones import await_tone, hears, wav_channels
from tests.e2e.quick import NOTICE_HZ, asked, connected, informed, recorded_call
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
CUSTOMER_HZ = 1700
LATER_HZ = 2300
Leave = Callable[[Stage], Awaitable[None]]


async def killed(stage: Stage) -> None:
    await stage.site.kill_daemon()


async def hung(stage: Stage) -> None:
    stage.site.hang_daemon()


@pytest.mark.parametrize("leave", [killed, hung])
async def test_calls_in_the_prompt_or_the_notice_go_on_unrecorded(
    mortal: Stage, leave: Leave
) -> None:
    asking, informing, noticing = new_number(), new_number(), new_number()
    calls = {asking: await outbound(mortal.cast, asking, CUSTOMER_HZ)}
    await asked(calls[asking][1])
    calls[informing] = await outbound(mortal.cast, informing, CUSTOMER_HZ)
    caller = await inbound(mortal.cast, noticing, CUSTOMER_HZ)
    await asyncio.gather(informed(calls[informing][1]), await_tone(caller, NOTICE_HZ))
    await leave(mortal)
    await asyncio.gather(
        *(connected(*call, CUSTOMER_HZ) for call in calls.values()),
        await_tone(caller, AGENT_HZ, 15.0),
    )
    await mortal.site.revive_daemon()
    for agent, customer in calls.values():
        customer.set_tone(LATER_HZ)
        await connected(agent, customer, LATER_HZ)
        await customer.hang_up()
    await caller.hang_up()
    for number in (asking, informing, noticing):
        assert (await mortal.ended(number)).outcome in {"refused", "failed"}
        assert mortal.recording_of(number) is None
        assert "consent_given" not in mortal.facts_of(number)


async def test_a_daemon_that_wakes_late_leaves_the_dead_mans_switch_alone(mortal: Stage) -> None:
    number = new_number()
    caller = await inbound(mortal.cast, number, CUSTOMER_HZ)
    await eventually(lambda: hears(caller, NOTICE_HZ, for_seconds=0.7))
    mortal.site.hang_daemon()
    # The end of the notice lies in wait for the daemon when the rescue process lets the call go.
    await eventually(lambda: mortal.cast.agent.calls)
    await mortal.site.revive_daemon()
    await mortal.fact(number, "consent_refused")
    assert float(await mortal.variable(number, "TIMEOUT(absolute)")) == 0
    await await_tone(caller, AGENT_HZ)
    await caller.hang_up()
    assert (await mortal.ended(number)).outcome == "refused"


@pytest.mark.parametrize("leave", [killed, hung])
async def test_a_call_made_while_no_daemon_answers_goes_on_unrecorded(
    mortal: Stage, leave: Leave
) -> None:
    number = new_number()
    await leave(mortal)
    agent, customer = await outbound(mortal.cast, number, CUSTOMER_HZ)
    await connected(agent, customer, CUSTOMER_HZ)
    await mortal.site.revive_daemon()
    # A later call is served, and by then the daemon has seen what was offered to it meanwhile.
    await (await recorded_call(mortal, new_number(), CUSTOMER_HZ))[1].hang_up()
    customer.set_tone(LATER_HZ)
    await connected(agent, customer, LATER_HZ)
    await customer.hang_up()
    assert mortal.call_of(number) is None


@pytest.mark.parametrize("leave", [killed, hung])
async def test_a_recorded_call_is_left_in_peace_and_recorded_to_its_end(
    mortal: Stage, leave: Leave
) -> None:
    number, waiting = new_number(), new_number()
    call = await recorded_call(mortal, number, CUSTOMER_HZ)
    other = await outbound(mortal.cast, waiting, CUSTOMER_HZ)
    await informed(other[1])
    await leave(mortal)
    await connected(*other, CUSTOMER_HZ)  # the rescue process has been at work
    call[1].set_tone(LATER_HZ)
    await connected(*call, LATER_HZ)
    await mortal.site.revive_daemon()
    await call[1].hang_up()
    await other[1].hang_up()
    assert (await mortal.ended(number)).outcome == "recorded"
    left, right = wav_channels(mortal.file_of(await mortal.sealed(number))).channels
    assert hears(left, LATER_HZ, for_seconds=0.4)
    assert hears(right, AGENT_HZ, for_seconds=0.8)


async def test_a_living_daemon_keeps_its_calls(quick: Stage) -> None:
    async def silent() -> tuple[OutgoingCall, IncomingCall]:
        call = await outbound(quick.cast, new_number(), CUSTOMER_HZ)
        await connected(*call, CUSTOMER_HZ)
        return call

    for _, customer in await asyncio.gather(silent(), silent()):
        await customer.hang_up()
    log = quick.site.directory / "rescue.log"
    assert "standing guard" in await eventually(lambda: log.read_text(encoding="utf-8"))
    assert "channel let go" not in log.read_text(encoding="utf-8")
