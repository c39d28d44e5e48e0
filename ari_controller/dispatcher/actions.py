"""Carries out the consent machine's commands on the adapters; a failure comes back as an event."""

import asyncio
from dataclasses import dataclass

import structlog

from ari_controller.asterisk.errors import AsteriskError, NotFound
from ari_controller.core.call import Call, Outcome
from ari_controller.core.commands import (
    AppendLedger,
    ArmTimeout,
    Command,
    ContinueInDialplan,
    EndCall,
    FinishRecording,
    HangUp,
    NoteInLedger,
    Play,
    StartMixMonitor,
    StopMixMonitor,
    StopPlayback,
    Subscribe,
    TellAgent,
)
from ari_controller.core.events import AsteriskFailed, Event, LedgerFailed, MixMonitorStopped
from ari_controller.core.ledger import Entry, Fact, Statement
from ari_controller.dispatcher.call_recording import CallRecording
from ari_controller.dispatcher.services import Services
from ari_controller.dispatcher.tones import tell_agent
from ari_controller.dispatcher.variables import let_go, set_timeout
from ari_controller.dispatcher.withdrawals import forget_withdrawal
from ari_controller.metrics import NO_POLICY
from ari_controller.store.engine import StoreError

log = structlog.get_logger(__name__)

# A call in the notice has at most SWITCH_MARGIN_SECONDS of silence to spare.
LEDGER_TIMEOUT_SECONDS = 0.7


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a command; `failed` stops the commands behind it."""

    event: Event
    failed: bool


class Actions:
    """The hands of one call."""

    def __init__(self, services: Services, recording: CallRecording) -> None:
        self.services = services
        self.recording = recording
        self._begun: float | None = services.monotonic()

    async def carry_out(self, call: Call, command: Command) -> Result | None:
        """Carry one command out; return what came of it, or None for plain success."""
        try:
            event = await self._carry_out(call, command)
        except (StoreError, TimeoutError) as error:
            self.services.metrics.store_errors_total.inc()
            log.error("ledger did not answer", call_id=call.facts.call_id, reason=str(error))
            return Result(LedgerFailed(), failed=True)
        except AsteriskError as error:
            name = type(command).__name__
            log.warning(
                "command failed", call_id=call.facts.call_id, command=name, reason=str(error)
            )
            return Result(AsteriskFailed(name), failed=True)
        return None if event is None else Result(event, failed=False)

    async def _carry_out(self, call: Call, command: Command) -> Event | None:
        services, channel_id = self.services, call.facts.channel_id
        match command:
            case Subscribe(leg):
                await services.ari.subscribe(leg)
            case ArmTimeout(seconds):
                await set_timeout(services, channel_id, seconds)
            case Play(playback_id, media):
                await services.ari.play(channel_id, playback_id, f"sound:{media.path}")
                self._observe_first_play()
            case StopPlayback(playback_id):
                await self._stop_playback(playback_id)
            case AppendLedger(statement):
                await self._append(statement)
            case NoteInLedger(statement):
                self._count(statement)
                services.notes.add(lambda: services.journal.append(statement))
            case StartMixMonitor():
                return await self.recording.start(call)
            case StopMixMonitor():
                await self.recording.stop()
                return MixMonitorStopped()
            case FinishRecording(reason, destroy):
                self.recording.finish(reason, destroy)
            case ContinueInDialplan():
                await let_go(
                    services, channel_id, "recorded" if command.recorded else command.result
                )
            case HangUp():
                await services.ari.hang_up(channel_id)
            case TellAgent(recorded):
                await tell_agent(services, call.facts, recorded)
            case EndCall(outcome, reason):
                self._end(call, outcome, reason)
        return None

    def _observe_first_play(self) -> None:
        if self._begun is not None:
            seconds = self.services.monotonic() - self._begun
            self.services.metrics.notice_start_seconds.observe(seconds)
            self._begun = None

    async def _stop_playback(self, playback_id: str) -> None:
        try:
            await self.services.ari.stop_playback(playback_id)
        except NotFound:
            return  # it was over already

    async def _append(self, statement: Statement) -> Entry:
        async with asyncio.timeout(LEDGER_TIMEOUT_SECONDS):
            entry = await self.services.journal.append(statement)
        self._count(statement)
        if statement.fact in (Fact.CONSENT_GIVEN, Fact.RECORDING_PERMITTED):
            self.recording.allowed_by(entry)
        return entry

    def _count(self, statement: Statement) -> None:
        mode = str(statement.public.get("mode", NO_POLICY))
        self.services.metrics.consent_fact(statement.fact, mode)

    def _end(self, call: Call, outcome: str, reason: str) -> None:
        services, facts, at = self.services, call.facts, self.services.wall()
        services.metrics.calls_ended_total.labels(direction=facts.direction, outcome=outcome).inc()
        log.info("call ended", call_id=facts.call_id, outcome=outcome, reason=reason)
        services.notes.add(lambda: services.journal.call_ended(facts.call_id, outcome, reason, at))
        if outcome == Outcome.WITHDRAWN:
            # Behind the writes of the withdrawal itself; and the channel, that writes it, is gone.
            services.notes.add(lambda: forget_withdrawal(services, facts.channel_id))
