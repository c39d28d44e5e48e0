from collections.abc import Awaitable
from dataclasses import replace

import pytest

from ari_controller.core.ledger import Entry, Fact
from ari_controller.core.model import Segment
from ari_controller.store import calls, ledger, recordings, register
from ari_controller.store.engine import Refused, Store
from ari_controller.store.journal import Journal
from tests.unit.store.samples import (
    CALL,
    FACTS,
    NUMBER,
    RETENTION_UNTIL,
    SEALED,
    enter,
    only_open,
    reserve,
    said,
    segment,
    start,
)


async def facts(store: Store) -> list[str]:
    return [entry.fact for entry in await entries(store)]


async def entries(store: Store) -> list[Entry]:
    return await store.read(lambda c: list(ledger.iterate(c)))


async def test_a_call_is_kept_with_what_was_known_of_it(store: Store, journal: Journal) -> None:
    await enter(journal)
    (row,) = await journal.open_calls()
    assert (row.call_id, row.number, row.did, row.agent_channel_id) == (
        "c1",
        NUMBER,
        CALL.did,
        CALL.agent_channel_id,
    )
    assert (row.policy, row.mode, row.media, row.phase) == ("inbound", "implied", "answered", "new")
    await journal.call_phase("c1", "information")
    assert (await journal.open_calls())[0].phase == "information"
    await journal.call_ended("c1", "recorded", "hang_up", 60.0)
    assert await journal.open_calls() == []
    ended = await store.read(lambda c: calls.find(c, "c1"))
    assert ended is not None
    assert (ended.outcome, ended.reason, ended.ended_at) == ("recorded", "hang_up", 60.0)
    assert await facts(store) == ["call_entered", "call_ended"]


async def test_a_call_without_a_policy_and_in_early_media_is_kept_too(journal: Journal) -> None:
    await journal.call_entered(replace(CALL, early_media=True, number=None), None, "never", 5.0)
    (row,) = await journal.open_calls()
    assert (row.policy, row.media, row.number) == (None, "early", None)


async def test_no_public_part_names_anybody(store: Store, journal: Journal) -> None:
    await start(journal)
    await journal.recording_stopped("r1", 60.0, "hang_up")
    await journal.call_ended("c1", "recorded", "hang_up", 60.0)
    personal = {NUMBER, CALL.channel_id, CALL.agent_channel_id, CALL.did, CALL.endpoint}
    for entry in await entries(store):
        assert not personal & {str(value) for value in entry.public.values()}


async def test_the_end_of_a_call_is_written_once(store: Store, journal: Journal) -> None:
    await enter(journal)
    await journal.call_ended("c1", "recorded", "hang_up", 60.0)
    await journal.call_ended("c1", "failed", "daemon_away", 70.0)
    assert await facts(store) == ["call_entered", "call_ended"]


async def test_a_call_that_the_store_missed_can_still_end(store: Store, journal: Journal) -> None:
    await journal.call_ended("c9", "failed", "ledger_failed", 60.0)
    assert await facts(store) == ["call_ended"]


async def test_a_call_enters_once(store: Store, journal: Journal) -> None:
    await enter(journal)
    await enter(journal)
    assert await facts(store) == ["call_entered"]


async def test_open_calls_come_oldest_first(journal: Journal) -> None:
    await enter(journal, "late", 9.0)
    await enter(journal, "early", 1.0)
    assert [row.call_id for row in await journal.open_calls()] == ["early", "late"]


@pytest.mark.parametrize("allowing", [Fact.CONSENT_GIVEN, Fact.RECORDING_PERMITTED])
async def test_a_recording_is_reserved_behind_what_allows_it(
    journal: Journal, allowing: Fact
) -> None:
    await enter(journal)
    await journal.append(said(allowing))
    await reserve(journal)
    row = await only_open(journal)
    assert (row.state, row.facts, row.retention_until) == ("reserved", FACTS, RETENTION_UNTIL)
    assert (row.on_withdrawal, row.withdrawal_keys) == ("destroy", "*9")
    assert row.segments == (segment(),)
    assert row.encryption is None


NOTHING_THAT_ALLOWS = [
    fact for fact in Fact if fact not in ("consent_given", "recording_permitted")
]


@pytest.mark.parametrize("fact", NOTHING_THAT_ALLOWS)
async def test_no_other_fact_allows_a_recording(journal: Journal, fact: Fact) -> None:
    await enter(journal)
    await journal.append(said(fact))
    await journal.append(said(Fact.CONSENT_GIVEN, "another"))
    with pytest.raises(Refused, match="nothing that allows"):
        await reserve(journal)
    assert await journal.open_recordings() == []


@pytest.mark.parametrize("forbidding", [Fact.CONSENT_REFUSED, Fact.CONSENT_WITHDRAWN])
@pytest.mark.parametrize("given_last", [True, False])
async def test_a_refusal_or_a_withdrawal_is_final(
    journal: Journal, forbidding: Fact, given_last: bool
) -> None:
    await enter(journal)
    both = [Fact.CONSENT_GIVEN, forbidding]
    for fact in reversed(both) if given_last else both:
        await journal.append(said(fact))
    with pytest.raises(Refused, match="refusal or a withdrawal"):
        await reserve(journal)
    assert await journal.open_recordings() == []


async def test_a_further_segment_passes_the_same_gate(journal: Journal) -> None:
    await start(journal)
    await journal.segment_added("r1", segment(2, 20.0))
    await journal.append(said(Fact.CONSENT_WITHDRAWN))
    with pytest.raises(Refused, match="withdrawal"):
        await journal.segment_added("r1", segment(3, 30.0))
    assert [s.number for s in (await only_open(journal)).segments] == [1, 2]


async def test_a_segment_ends_where_the_next_one_starts(journal: Journal) -> None:
    await start(journal)
    await journal.segment_added("r1", segment(2, 20.0))
    await journal.recording_started("r1", "0x2", 20.1)
    await journal.recording_stopped("r1", 60.0, "hang_up")
    (stopped,) = await journal.pending()
    assert [(s.started_at, s.stopped_at) for s in stopped.segments] == [(10.0, 20.0), (20.0, 60.0)]
    assert stopped.started_at == 10.2
    with pytest.raises(Refused, match="stopped"):
        await journal.segment_added("r1", segment(3, 70.0))


async def test_a_segment_file_name_is_never_used_twice(journal: Journal) -> None:
    await start(journal)
    with pytest.raises(Refused):
        await journal.segment_added("r1", Segment(2, segment().rx, "other.wav", 20.0))


async def test_a_recording_goes_from_start_to_archive(store: Store, journal: Journal) -> None:
    await start(journal)
    assert (await only_open(journal)).mixmonitor_id == "0x1"
    await journal.recording_stopped("r1", 60.0, "hang_up")
    (stopped,) = await journal.pending()
    assert (stopped.facts, stopped.stop_reason, stopped.destroy) == (FACTS, "hang_up", False)
    await journal.sealed(SEALED)
    assert await journal.pending() == []
    row = await store.read(lambda c: recordings.get(c, "r1"))
    assert (row.state, row.archive_path, row.marks) == ("sealed", SEALED.path, ("silent",))
    await journal.destroyed("r1", "retention")
    assert (await facts(store))[2:] == [
        "recording_started",
        "recording_stopped",
        "recording_sealed",
        "recording_destroyed",
    ]
    sealed = (await entries(store))[4]
    assert (sealed.public["sha256"], sealed.public["size_bytes"]) == (SEALED.sha256, 4096)
    assert (sealed.public["marks"], sealed.public["duration_ms"]) == (["silent"], 12_500)
    assert (sealed.call_id, sealed.recording_id) == ("c1", "r1")


async def test_what_is_told_twice_is_written_once(store: Store, journal: Journal) -> None:
    await start(journal)
    await journal.recording_started("r1", "0x1", 11.0)
    await journal.recording_stopped("r1", 60.0, "hang_up")
    await journal.recording_stopped("r1", 61.0, "daemon_away")
    await journal.recording_started("r1", "0x1", 62.0)
    (stopped,) = await journal.pending()
    assert (stopped.stopped_at, stopped.stop_reason) == (60.0, "hang_up")
    for _ in range(2):
        await journal.sealed(SEALED)
    for _ in range(2):
        await journal.destroyed("r1", "retention")
    written = await facts(store)
    assert len(written) == len(set(written)) == 6


async def test_an_order_to_destroy_is_never_lost(journal: Journal) -> None:
    await start(journal)
    await journal.recording_stopped("r1", 60.0, "hang_up")
    await journal.recording_stopped("r1", 60.1, "withdrawn", destroy=True)
    (stopped,) = await journal.pending()
    assert stopped.destroy
    await journal.recording_stopped("r1", 60.2, "hang_up")
    assert (await journal.pending())[0].destroy


async def test_what_is_to_be_destroyed_is_never_sealed(store: Store, journal: Journal) -> None:
    await start(journal)
    await journal.recording_stopped("r1", 60.0, "withdrawn", destroy=True)
    with pytest.raises(Refused, match="destroyed"):
        await journal.sealed(SEALED)
    await journal.destroyed("r1", "withdrawn")
    assert await journal.pending() == []
    with pytest.raises(Refused, match="destroyed"):
        await journal.sealed(SEALED)


async def test_a_failed_recording_is_written_down_once(store: Store, journal: Journal) -> None:
    await enter(journal)
    await journal.append(said(Fact.CONSENT_GIVEN))
    await reserve(journal)
    for _ in range(2):
        await journal.recording_failed("r1", "no_file")
    assert (await facts(store))[2:] == ["recording_failed"]
    assert await journal.open_recordings() == []
    await journal.recording_stopped("r1", 60.0, "hang_up")
    assert await journal.pending() == []


async def test_a_sealed_recording_cannot_fail_any_more(journal: Journal) -> None:
    await start(journal)
    await journal.recording_stopped("r1", 60.0, "hang_up")
    await journal.sealed(SEALED)
    with pytest.raises(Refused, match="sealed"):
        await journal.recording_failed("r1", "no_file")


async def test_a_reserved_recording_can_be_stopped(journal: Journal) -> None:
    await enter(journal)
    await journal.append(said(Fact.CONSENT_GIVEN))
    await reserve(journal)
    await journal.recording_stopped("r1", 60.0, "daemon_away")
    (stopped,) = await journal.pending()
    assert stopped.started_at == 10.0


async def test_an_unknown_recording_is_refused_by_name(journal: Journal) -> None:
    with pytest.raises(Refused, match="there is no recording r9"):
        await journal.recording_stopped("r9", 1.0, "hang_up")


async def test_what_stopped_first_is_sealed_first(journal: Journal) -> None:
    for n, stopped_at in ((1, 90.0), (2, 70.0), (3, 80.0)):
        await start(journal, f"r{n}", f"c{n}")
        await journal.recording_stopped(f"r{n}", stopped_at, "hang_up")
    assert [row.recording_id for row in await journal.pending()] == ["r2", "r3", "r1"]


async def test_the_register_knows_who_must_not_be_recorded(store: Store, journal: Journal) -> None:
    def add(number: str, ground: str) -> Awaitable[bool]:
        return store.write(lambda c: register.add(c, number, ground, "2026-01-31", "dpo"))

    assert await add(NUMBER, "letter of 30 January")
    assert not await add(NUMBER, "again")
    assert await journal.is_on_register(NUMBER)
    assert not await journal.is_on_register("+40700000000")
    assert not await journal.is_on_register(None)


@pytest.mark.parametrize("number", ["", "0721 234 567", "+", "anonymous", "+40721234567\n"])
async def test_the_register_refuses_what_would_never_match(store: Store, number: str) -> None:
    with pytest.raises(Refused, match="normalise"):
        await store.write(lambda c: register.add(c, number, "ground", "2026-01-31", "dpo"))


async def test_lists_come_newest_first(store: Store, journal: Journal) -> None:
    await start(journal, "r1", "c1")
    await enter(journal, "c2", 50.0)
    assert [row.call_id for row in await store.read(lambda c: calls.recent(c, 5))] == ["c2", "c1"]
    assert len(await store.read(lambda c: calls.recent(c, 1))) == 1
    assert [r.recording_id for r in await store.read(lambda c: recordings.of_call(c, "c1"))] == [
        "r1"
    ]
    assert len(await store.read(lambda c: recordings.recent(c, 5, "recording"))) == 1
    assert await store.read(lambda c: recordings.recent(c, 5, "sealed")) == []
