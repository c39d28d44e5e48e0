"""After a restart: goes on with the recordings of an earlier daemon, and closes its other books.

Nothing is replayed and nothing is started again. A call that was being asked has been let go; a
recording whose channel lives is adopted; one whose channel is gone is handed to sealing (rule 4).
"""

import structlog

from ari_controller.core.call import Call, Outcome, Phase
from ari_controller.core.ledger import Fact, Statement
from ari_controller.core.model import (
    CallFacts,
    ConsentMode,
    Direction,
    Match,
    OnWithdrawal,
    Policy,
)
from ari_controller.dispatcher.dispatcher import Dispatcher
from ari_controller.dispatcher.services import Services
from ari_controller.dispatcher.withdrawals import forget_withdrawal, withdrawn_channels
from ari_controller.store.calls import CallRow
from ari_controller.store.recordings import RecordingRow

log = structlog.get_logger(__name__)


async def adopt_open_work(services: Services, dispatcher: Dispatcher) -> None:
    """Adopt or close what the store holds open; call it once, with ARI up, before any new call."""
    journal = services.journal
    dispatcher.hold_endings()
    alive = {channel.id for channel in await services.ari.channels()}
    withdrawn = await withdrawn_channels(services)
    calls = {row.call_id: row for row in await journal.open_calls()}
    for recording in await journal.open_recordings():
        row = calls.pop(recording.call_id, None)
        if row is not None and recording.channel_id in alive:
            call = _call(row, recording)
            dispatcher.adopt(call, recording.recording_id, recording.mixmonitor_id)
            log.info("recording adopted", call_id=recording.call_id)
            continue
        outcome = await _close(services, recording, recording.channel_id in withdrawn)
        if row is not None:
            await journal.call_ended(row.call_id, outcome, "daemon_away", services.wall())
    for call_id in calls:
        await journal.call_ended(call_id, Outcome.FAILED, "daemon_away", services.wall())
    for channel_id in withdrawn - alive:
        await forget_withdrawal(services, channel_id)


async def _close(services: Services, recording: RecordingRow, withdrawn: bool) -> Outcome:
    # The channel ended while no daemon watched; what it wrote until then is on the spool.
    journal, recording_id = services.journal, recording.recording_id
    if not any([await services.spool.seen(segment, 0.0) for segment in recording.segments]):
        await journal.recording_failed(recording_id, "no_file")
        return Outcome.FAILED
    reason = "withdrawn" if withdrawn else "daemon_away"
    destroy = withdrawn and recording.on_withdrawal == OnWithdrawal.DESTROY
    if withdrawn:
        public = {"via": "feature", "part_before": recording.on_withdrawal}
        statement = Statement(Fact.CONSENT_WITHDRAWN, recording.call_id, None, public, {})
        await journal.append(statement)
    written = services.spool.last_written(recording.segments) or services.wall()
    at = max(recording.started_at, min(services.wall(), written))
    await journal.recording_stopped(recording_id, at, reason, destroy=destroy)
    services.seal()
    return Outcome.WITHDRAWN if withdrawn else Outcome.RECORDED


def _call(row: CallRow, recording: RecordingRow) -> Call:
    """Rebuild what the machine needs for the rest of a recording: its end and its withdrawal."""
    facts = CallFacts(
        call_id=row.call_id,
        direction=Direction(row.direction),
        channel_id=row.channel_id,
        linkedid=row.linkedid,
        did=row.did,
        number=row.number,
        endpoint=row.endpoint,
        context=row.context,
        agent_channel_id=row.agent_channel_id,
    )
    policy = Policy(
        name=row.policy or "",
        version=row.policy_version or "",
        match=Match(),
        mode=ConsentMode(row.mode),
        purposes=(),
        legal_basis="",
        retention_months=0,
        on_withdrawal=OnWithdrawal(recording.on_withdrawal),
        withdrawal_keys=recording.withdrawal_keys,
    )
    return Call(
        facts=facts,
        policy=policy,
        phase=Phase.RECORDING,
        outcome=Outcome.RECORDED,
    )
