"""Withdrawal in mid-call (N3, GDPR Art. 7(3)): by key, daemon alive or dead, and by command."""

import asyncio
from pathlib import Path

import pytest

from lab.phone import Call, IncomingCall
from lab.proxy import Proxy
from lab.site import SitePorts
from lab.story import AGENT_HZ, inbound, outbound
from lab.tones import await_tone, hears, wav_channels
from tests.e2e.conftest import phones
from tests.e2e.fast import linked_site
from tests.e2e.quick import (
    DESTROYING,
    NOT_RECORDED_HZ,
    SITE_GLOBAL,
    SITE_KEYS,
    connected,
    informed,
    recorded_call,
)
from tests.e2e.stage import Stage, eventually, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
CUSTOMER_HZ = 1700
AFTER_HZ = 2300


async def withdraw(agent: Call, customer: Call) -> None:
    """Let the customer press the keys, say something else, and be heard with it."""
    await customer.dtmf("*9")
    customer.set_tone(AFTER_HZ)
    await connected(agent, customer, AFTER_HZ)


async def printed(stage: Stage, command: str, wanted: str) -> None:
    """Wait until Asterisk prints what is wanted on a console command."""
    async with asyncio.timeout(10.0):
        while wanted not in await stage.site.asterisk.cli(command):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def no_notes(stage: Stage) -> None:
    """Wait until nothing of a withdrawal is left in Asterisk's database."""
    await printed(stage, "database show ari-controller-withdrawn", "0 results")


def is_cut_at_the_keys(file: Path) -> bool:
    """Tell whether a file holds what the customer said before the keys and nothing of after."""
    customer, _ = wav_channels(file).channels
    return hears(customer, CUSTOMER_HZ) and not hears(customer, AFTER_HZ, for_seconds=0.05)


async def test_the_keys_stop_the_recording_and_the_call_goes_on(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
    await withdraw(agent, customer)
    recording = await quick.sealed(number)
    await customer.hang_up()
    assert (await quick.ended(number)).outcome == "withdrawn"
    assert is_cut_at_the_keys(quick.file_of(recording))
    assert recording.stop_reason == "withdrawn"
    assert quick.facts_of(number)[-5:] == [
        "recording_started",
        "consent_withdrawn",
        "recording_stopped",
        "recording_sealed",
        "call_ended",
    ]
    await no_notes(quick)


async def test_the_agent_hears_a_tone_and_no_keys(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
    await withdraw(agent, customer)
    await eventually(lambda: hears(agent, NOT_RECORDED_HZ, for_seconds=0.2))
    assert agent.heard.dialled == ""
    assert not hears(customer, NOT_RECORDED_HZ, for_seconds=0.05)
    await customer.hang_up()
    assert (await quick.ended(number)).outcome == "withdrawn"


async def recorded_caller(stage: Stage, number: str) -> tuple[Call, Call]:
    """Let a customer call, stay after the notice, and talk with the agent."""
    customer = await inbound(stage.cast, number, CUSTOMER_HZ)
    await await_tone(customer, AGENT_HZ, 15.0)
    agent = stage.cast.agent.calls[-1]
    await connected(agent, customer, CUSTOMER_HZ)
    return agent, customer


async def test_a_caller_withdraws_in_the_same_way(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_caller(quick, number)
    await withdraw(agent, customer)
    await customer.hang_up()
    assert (await quick.ended(number)).outcome == "withdrawn"
    assert is_cut_at_the_keys(quick.file_of(await quick.sealed(number)))
    assert agent.heard.dialled == ""
    await no_notes(quick)


async def test_a_policy_can_have_the_part_before_destroyed(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ, DESTROYING)
    before = archived(quick)
    await withdraw(agent, customer)
    await quick.fact(number, "recording_destroyed")
    await customer.hang_up()
    assert (await quick.ended(number)).outcome == "withdrawn"
    assert_destroyed(quick, number)
    assert archived(quick) == before


def archived(stage: Stage) -> set[Path]:
    """Return every file of the archive."""
    return {path for path in stage.site.archive.rglob("*") if path.is_file()}


def assert_destroyed(stage: Stage, number: str) -> None:
    """Assert that nothing is left of a recording but what the ledger says of it."""
    recording = stage.recording_of(number)
    assert recording is not None
    assert (recording.state, recording.archive_path) == ("destroyed", None)
    assert not {segment.rx for segment in recording.segments} & set(stage.spool_files())
    assert not {segment.tx for segment in recording.segments} & set(stage.spool_files())
    facts = stage.facts_of(number)
    assert "recording_sealed" not in facts
    assert facts.index("consent_withdrawn") < facts.index("recording_destroyed")


async def test_the_keys_work_while_the_agent_still_rings(quick: Stage) -> None:
    number, ringing = new_number(), asyncio.Queue[IncomingCall]()

    async def ring(call: IncomingCall) -> None:
        await call.ring()
        ringing.put_nowait(call)

    quick.cast.agent.on_invite = ring
    customer = await inbound(quick.cast, number, CUSTOMER_HZ)
    async with asyncio.timeout(10.0):
        agent = await ringing.get()
    await customer.dtmf("*9")
    said = await quick.fact(number, "consent_withdrawn")
    await agent.answer(AGENT_HZ)
    await connected(agent, customer, CUSTOMER_HZ)
    await customer.hang_up()
    assert said.public["via"] == "key"
    assert (await quick.ended(number)).outcome == "withdrawn"
    _, right = wav_channels(quick.file_of(await quick.sealed(number))).channels
    assert not hears(right, AGENT_HZ, for_seconds=0.05)


async def test_a_command_withdraws_for_a_customer_who_asks_another_way(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
    call = quick.call_of(number)
    assert call is not None
    await quick.site.command("calls", "withdraw", call.call_id, "--reason", "said so")
    said = await quick.fact(number, "consent_withdrawn")
    customer.set_tone(AFTER_HZ)
    await connected(agent, customer, AFTER_HZ)
    await customer.hang_up()
    assert said.public["via"] == "api"
    assert (await quick.ended(number)).outcome == "withdrawn"
    assert is_cut_at_the_keys(quick.file_of(await quick.sealed(number)))


async def test_what_is_no_withdrawal_changes_nothing(quick: Stage) -> None:
    async def of_the_agent() -> None:
        number = new_number()
        agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
        await agent.dtmf("*9")
        await eventually(lambda: customer.heard.dialled == "*9")
        await customer.hang_up()
        await assert_recorded(number)

    async def other_keys() -> None:
        number = new_number()
        agent, customer = await recorded_call(quick, number, CUSTOMER_HZ)
        await customer.dtmf("9*8")
        await eventually(lambda: agent.heard.dialled == "9*8")
        await customer.hang_up()
        await assert_recorded(number)

    async def unrecorded() -> None:
        number = new_number()
        agent, customer = await outbound(quick.cast, number, CUSTOMER_HZ)
        await informed(customer)
        await customer.dtmf("2")
        await connected(agent, customer, CUSTOMER_HZ)
        await withdraw(agent, customer)
        await customer.hang_up()
        assert (await quick.ended(number)).outcome == "refused"
        assert "consent_withdrawn" not in quick.facts_of(number)

    async def assert_recorded(number: str) -> None:
        assert (await quick.ended(number)).outcome == "recorded"
        assert "consent_withdrawn" not in quick.facts_of(number)

    await asyncio.gather(of_the_agent(), other_keys(), unrecorded())
    await no_notes(quick)


async def test_features_of_the_site_go_on_working(quick: Stage) -> None:
    number = new_number()
    agent, customer = await recorded_call(quick, number, CUSTOMER_HZ, DESTROYING)
    await customer.dtmf(SITE_KEYS)
    await printed(quick, "dialplan show globals", f"{SITE_GLOBAL}=pressed")
    assert "consent_withdrawn" not in quick.facts_of(number)
    await withdraw(agent, customer)
    await customer.hang_up()
    assert (await quick.ended(number)).outcome == "withdrawn"


async def test_the_keys_work_while_the_daemon_is_dead_and_the_ledger_hears_of_it(
    mortal: Stage,
) -> None:
    staying, calling, leaving, destroyed = (new_number() for _ in range(4))
    calls: list[tuple[Call, Call]] = [
        await recorded_caller(mortal, calling),
        *await asyncio.gather(
            recorded_call(mortal, staying, CUSTOMER_HZ),
            recorded_call(mortal, leaving, CUSTOMER_HZ),
            recorded_call(mortal, destroyed, CUSTOMER_HZ, DESTROYING),
        ),
    ]
    await mortal.site.kill_daemon()
    await asyncio.gather(*(withdraw(*call) for call in calls))
    for _, customer in calls[2:]:
        await customer.hang_up()
        await customer.ended()
    await mortal.site.start_daemon()
    for number in (calling, staying, leaving):
        said = await mortal.fact(number, "consent_withdrawn")
        assert said.public["via"] == "feature"
        recording = await mortal.sealed(number)
        assert is_cut_at_the_keys(mortal.file_of(recording))
        assert recording.stop_reason == "withdrawn"
    await mortal.fact(destroyed, "recording_destroyed")
    assert_destroyed(mortal, destroyed)
    for _, customer in calls[:2]:
        await customer.hang_up()
    for number in (calling, staying, leaving, destroyed):
        assert (await mortal.ended(number)).outcome == "withdrawn"
    await no_notes(mortal)


async def test_a_withdrawal_while_the_link_is_down_is_not_lost_with_the_call(
    tmp_path: Path,
) -> None:
    ports, number = SitePorts(), new_number()
    async with (
        Proxy(ports.ari) as ari,
        Proxy(ports.ami) as ami,
        linked_site(tmp_path, ports, ari, ami) as site,
        phones(site) as stage,
    ):
        agent, customer = await recorded_caller(stage, number)
        ari.stall()
        ari.cut()
        await withdraw(agent, customer)
        await customer.hang_up()
        await agent.ended()
        ari.resume()
        assert (await stage.ended(number)).outcome == "withdrawn"
        assert is_cut_at_the_keys(stage.file_of(await stage.sealed(number)))
        await no_notes(stage)
