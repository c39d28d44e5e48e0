"""A call, a policy and statements, as they come from the dispatcher."""

from dataclasses import replace

from ari_controller.core.ledger import Fact, Statement
from ari_controller.core.model import (
    CallFacts,
    ConsentMode,
    Direction,
    Match,
    OnWithdrawal,
    Policy,
    SealedRecording,
    Segment,
)
from ari_controller.store.journal import Journal
from ari_controller.store.recordings import RecordingRow

NUMBER = "+40721234567"
RETENTION_UNTIL = "2026-07-31T10:00:00.000000Z"

POLICY = Policy(
    name="inbound",
    version="a" * 64,
    match=Match(),
    mode=ConsentMode.IMPLIED,
    purposes=("service quality",),
    legal_basis="consent",
    retention_months=6,
    on_withdrawal=OnWithdrawal.DESTROY,
)
CALL = CallFacts(
    call_id="c1",
    direction=Direction.INBOUND,
    channel_id="1769853600.1",
    linkedid="1769853600.1",
    did="0374800800",
    number=NUMBER,
    endpoint="trunk",
    context="from-trunk",
    agent_channel_id="1769853600.2",
)
FACTS: dict[str, object] = {"direction": "inbound", "parties": [{"role": "customer"}]}
SEALED = SealedRecording("r1", "2026/01/31/r1.flac", "b" * 64, 4096, 12.5, ("silent",))


def said(fact: Fact, call_id: str = "c1") -> Statement:
    return Statement(fact, call_id, None, {"mode": "implied"}, {"number": NUMBER})


def segment(number: int = 1, started_at: float = 10.0, recording_id: str = "r1") -> Segment:
    stem = f"{recording_id}-{number:03}"
    return Segment(number, f"{stem}-rx.wav", f"{stem}-tx.wav", started_at)


async def enter(journal: Journal, call_id: str = "c1", at: float = 5.0) -> None:
    await journal.call_entered(replace(CALL, call_id=call_id), POLICY, "implied", at)


async def reserve(journal: Journal, recording_id: str = "r1", call_id: str = "c1") -> None:
    await journal.recording_reserved(
        recording_id,
        call_id,
        FACTS,
        POLICY,
        CALL.channel_id,
        CALL.agent_channel_id,
        segment(recording_id=recording_id),
        RETENTION_UNTIL,
    )


async def start(journal: Journal, recording_id: str = "r1", call_id: str = "c1") -> None:
    """Everything up to a running recording."""
    await enter(journal, call_id)
    await journal.append(said(Fact.CONSENT_GIVEN, call_id))
    await reserve(journal, recording_id, call_id)
    await journal.recording_started(recording_id, "0x1", 10.2)


async def only_open(journal: Journal) -> RecordingRow:
    (row,) = await journal.open_recordings()
    return row
