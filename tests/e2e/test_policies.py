"""Which calls are recorded on which ground (N4, N7): policies, and the register above them."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection

from ari_controller.core.numbers import normalise
from ari_controller.store import register
from ari_controller.store.engine import Store
from lab.site import Site
from lab.story import AGENT_HZ, DID, talk
from lab.tones import await_tone, hears
from tests.e2e.fast import NEVER, NOTICE_HZ, UNASKED, UNKNOWN
from tests.e2e.stage import Stage, new_number

pytestmark = pytest.mark.asyncio(loop_scope="session")
UNRECORDED = ["call_entered", "not_recorded", "call_ended"]


async def unrecorded(stage: Stage, number: str, did: str, reason: str) -> None:
    """Make a call that nobody may be asked about, and that reaches the agent all the same."""
    call = await stage.dial(number, did)
    await await_tone(call, AGENT_HZ)
    assert await stage.variable(number, "ARI_CONTROLLER_RESULT") == reason
    await call.hang_up()
    row = await stage.ended(number)
    assert (row.outcome, row.reason) == ("not_recorded", reason)
    assert stage.facts_of(number) == UNRECORDED
    assert stage.recording_of(number) is None
    assert not hears(call, NOTICE_HZ)


async def test_a_policy_can_say_never(fast_stage: Stage) -> None:
    metric = ("ari_controller_consent_total", "never", "not_recorded")
    before = await fast_stage.metric(metric[0], mode=metric[1], outcome=metric[2])
    await unrecorded(fast_stage, new_number(), NEVER, "policy_never")
    after = await fast_stage.metric(metric[0], mode=metric[1], outcome=metric[2])
    assert after == before + 1


async def test_a_call_that_no_policy_is_for_is_not_recorded(fast_stage: Stage) -> None:
    await unrecorded(fast_stage, new_number(), UNKNOWN, "no_policy")


async def test_another_legal_basis_than_consent_is_stated_and_nobody_is_asked(
    fast_stage: Stage,
) -> None:
    stage, number = fast_stage, new_number()
    call = await stage.dial(number, UNASKED)
    await talk(call, 0.3)
    recording = await stage.sealed(number)
    assert not hears(call, NOTICE_HZ)
    assert stage.facts_of(number) == [
        "call_entered",
        "recording_permitted",
        "recording_started",
        "recording_stopped",
        "call_ended",
        "recording_sealed",
    ]
    facts = stage.sidecar_of(recording)["facts"]
    assert facts["legal_basis"] == "contract"
    assert facts["consent"]["mode"] == "none-required"
    assert facts["consent"]["fact"] == "recording_permitted"
    assert facts["notice"] is None, "a notice that nobody heard"


async def test_the_do_not_record_register_wins_over_every_policy(fast_stage: Stage) -> None:
    stage, asked, unasked, other = fast_stage, new_number(), new_number(), new_number()
    assert await stage.site.stop_daemon() == 0
    try:
        await enter(stage.site, asked, unasked)
    finally:
        await stage.site.start_daemon()

    async def recorded() -> None:
        await talk(await stage.dial(other), 0.3)
        assert await stage.sealed(other)

    await asyncio.gather(
        unrecorded(stage, asked, DID, "do_not_record"),
        unrecorded(stage, unasked, UNASKED, "do_not_record"),
        recorded(),
    )


async def enter(site: Site, *numbers: str) -> None:
    """Put numbers on the register of a site whose daemon does not run."""
    store = await asyncio.to_thread(Store.open, site.directory / "store.db")
    try:
        for number in filter(None, map(normalise, numbers)):
            await store.write(partial(_add, number))
    finally:
        await asyncio.to_thread(store.close)


def _add(number: str, connection: Connection) -> bool:
    return register.add(connection, number, "objection", "2026-01-01T00:00:00.000000Z", "test")
