"""Routes what Asterisk says to the call it belongs to; begins calls, adopts them, lets them go."""

import asyncio
from dataclasses import replace

import structlog

from ari_controller.asterisk.ari_events import (
    ApplicationReplaced,
    CallBroadcast,
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    ChannelUserevent,
    Event,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    UnknownEvent,
)
from ari_controller.asterisk.errors import AsteriskError, NotFound
from ari_controller.core import events as core
from ari_controller.core.call import Call, Phase
from ari_controller.core.model import CallFacts
from ari_controller.core.policy import Decision, decide
from ari_controller.dispatcher import tones
from ari_controller.dispatcher.actions import LEDGER_TIMEOUT_SECONDS, Actions
from ari_controller.dispatcher.arrival import UnknownArrival, arrival, endpoint_of
from ari_controller.dispatcher.call_recording import CallRecording, in_stasis
from ari_controller.dispatcher.call_task import CallTask
from ari_controller.dispatcher.services import Services
from ari_controller.dispatcher.variables import let_go
from ari_controller.dispatcher.withdrawals import withdrawn_channels
from ari_controller.store.engine import StoreError

log = structlog.get_logger(__name__)

WITHDRAWN_EVENT = "AriControllerWithdrawn"


class Dispatcher:
    """All calls of one daemon, by the ids of their channels."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._by_customer: dict[str, CallTask] = {}
        self._by_agent: dict[str, CallTask] = {}
        self._taking_calls = True
        self._held: list[ChannelDestroyed] | None = None

    @property
    def calls(self) -> list[CallTask]:
        """The calls that have not ended."""
        return list(self._by_customer.values())

    def recording_calls(self) -> list[CallTask]:
        """Return the calls with a recording that is not closed yet."""
        busy = (Phase.STARTING, Phase.RECORDING, Phase.STOPPING)
        return [task for task in self.calls if task.call.phase in busy]

    def waiting_calls(self) -> list[CallTask]:
        """Return the calls whose channel waits with us."""
        return [task for task in self.calls if task.call.in_stasis]

    def find(self, call_id: str) -> CallTask | None:
        """Return the open call of that id."""
        return next((task for task in self.calls if task.call.facts.call_id == call_id), None)

    def stop_taking_calls(self) -> None:
        """From now on new calls go on unrecorded, and calls being asked are let go."""
        self._taking_calls = False
        for task in self.calls:
            task.put(core.AsteriskLost("daemon_stopping"))

    def on_event(self, event: Event | UnknownEvent) -> None:
        """Route one ARI event; never blocks."""
        match event:
            case StasisStart() if event.args[:1] == [tones.KIND]:
                self._services.spawn(tones.on_start(self._services, event))
            case StasisStart(channel=channel):
                self._arrived(event, channel)
            case PlaybackFinished(playback=playback) if tones.is_tone(playback.id):
                self._services.spawn(tones.on_finished(self._services, event))
            case PlaybackFinished(playback=playback):
                call_id = playback.id.rpartition(".")[0]
                task = self.find(call_id)
                if task is not None:
                    failed = playback.state != "done"
                    task.put(core.PlaybackFinished(playback.id, failed=failed))
            case CallBroadcast(channel=channel):
                self._services.spawn(self._claim(channel.id))
            case StasisEnd(channel=channel):
                self._put(channel, core.ChannelLeftStasis())
            case ChannelDtmfReceived(channel=channel, digit=digit):
                self._put(channel, core.ChannelDtmfReceived(digit))
            case ChannelDestroyed() if self._held is not None:
                self._held.append(event)
            case ChannelDestroyed(channel=channel):
                self._put(channel, core.ChannelDestroyed())
                self._agent_gone(channel)
            case ChannelHangupRequest(channel=channel):
                self._put(channel, core.ChannelHangupRequest())
                self._agent_gone(channel)
            case ChannelUserevent(channel=Channel() as channel, eventname=name) if (
                name == WITHDRAWN_EVENT
            ):
                self._put(channel, core.ConsentWithdrawn("feature"))
            case ApplicationReplaced() | ChannelUserevent():
                return
            case UnknownEvent():
                return

    def hold_endings(self) -> None:
        """Let the ends of calls wait for the next `reconcile`.

        It learns what happened while nobody listened, and that comes before the end.
        """
        self._held = []

    def on_link_down(self) -> None:
        """Tell every call that keys and hang-ups may be missed from now on."""
        self.hold_endings()
        for task in self.calls:
            task.put(core.AsteriskLost())

    async def reconcile(self) -> None:
        """Bring calls and channels together after every connect; nothing is ever replayed.

        Raises AsteriskError when the link goes down again meanwhile: the next connect repeats it.
        """
        ari = self._services.ari
        alive = {channel.id for channel in await ari.channels()}
        ours = set(await ari.application_channel_ids())
        # Only then: a link to AMI that is down need not keep the one to ARI from coming up.
        busy = self.recording_calls()
        withdrawn = await withdrawn_channels(self._services) if busy else set()
        for task in self.calls:
            channel_id = task.call.facts.channel_id
            if channel_id in withdrawn:
                task.put(core.ConsentWithdrawn("feature"))
            if channel_id not in alive:
                task.put(core.ChannelDestroyed())
                continue
            await ari.subscribe(channel_id)
            if task.call.in_stasis and not await in_stasis(ari, channel_id):
                task.put(core.ChannelLeftStasis())
        held, self._held = self._held or [], None
        for ended in held:
            self.on_event(ended)
        # Asterisk names the channels that we watch among those that wait with us.
        for channel_id in ours & alive - set(self._by_customer):
            if await in_stasis(ari, channel_id):
                await self._free_orphan(channel_id)

    def adopt(self, call: Call, recording_id: str, mixmonitor_id: str | None) -> None:
        """Go on with a recording that an earlier daemon started."""
        facts = call.facts
        recording = CallRecording(
            self._services, facts.call_id, facts.channel_id, self._services.wall()
        )
        recording.adopt(recording_id, mixmonitor_id)
        self._begin(CallTask(call, Actions(self._services, recording)))

    def _arrived(self, event: StasisStart, channel: Channel) -> None:
        known = self._by_customer.get(channel.id)
        if known is not None:
            known.put(core.CallEntered())
            return
        if not self._taking_calls:
            self._services.spawn(self._free_orphan(channel.id))
            return
        services = self._services
        try:
            facts = arrival(event, services.new_id(), services.settings().country_code)
        except UnknownArrival as error:
            log.error("unknown arrival, the call goes on unrecorded", reason=str(error))
            services.metrics.anomalies_total.labels(kind="unknown_arrival").inc()
            services.spawn(self._free_orphan(channel.id))
            return
        began_at = services.wall()
        recording = CallRecording(services, facts.call_id, facts.channel_id, began_at)
        call, actions = Call(facts=facts, policy=None), Actions(services, recording)
        self._begin(CallTask(call, actions, lambda: self._open_books(facts, began_at)))

    async def _open_books(self, facts: CallFacts, at: float) -> tuple[Call, core.Event]:
        facts = await self._with_agent(facts)
        decision, first = await self._decide(facts, at)
        return Call(facts=facts, policy=decision.policy, bar=decision.bar), first

    async def _with_agent(self, facts: CallFacts) -> CallFacts:
        """Add the agent's endpoint: of an agent, the dialplan passes on only the channel's id."""
        if facts.agent_channel_id is None:
            return facts
        try:
            agent = await self._services.ari.get_channel(facts.agent_channel_id)
        except AsteriskError as error:
            log.warning("agent unknown", call_id=facts.call_id, reason=str(error))
            return facts
        return replace(facts, agent_endpoint=endpoint_of(agent.name) or None)

    async def _decide(self, facts: CallFacts, at: float) -> tuple[Decision, core.Event]:
        """Find the policy and open the books; with the store silent nothing may be asked."""
        services, policies = self._services, self._services.settings().policies
        try:
            async with asyncio.timeout(LEDGER_TIMEOUT_SECONDS):
                listed = await services.journal.is_on_register(facts.number)
                decision = decide(facts, policies, on_register=listed)
                mode = decision.policy.mode.value if decision.policy else "never"
                await services.journal.call_entered(facts, decision.policy, mode, at)
        except (StoreError, TimeoutError) as error:
            services.metrics.store_errors_total.inc()
            log.error("store did not answer", call_id=facts.call_id, reason=str(error))
            return Decision(None, "ledger_failed"), core.LedgerFailed()
        return decision, core.CallEntered()

    def _begin(self, task: CallTask) -> None:
        facts = task.call.facts
        self._by_customer[facts.channel_id] = task
        if facts.agent_channel_id is not None:
            self._by_agent[facts.agent_channel_id] = task
        self._services.spawn(self._run(task))

    async def _run(self, task: CallTask) -> None:
        try:
            await task.run()
        finally:
            facts = task.call.facts
            self._by_customer.pop(facts.channel_id, None)
            if facts.agent_channel_id is not None:
                self._by_agent.pop(facts.agent_channel_id, None)

    def _put(self, channel: Channel, event: core.Event) -> None:
        task = self._by_customer.get(channel.id)
        if task is not None:
            task.put(event)

    def _agent_gone(self, channel: Channel) -> None:
        task = self._by_agent.get(channel.id)
        if task is not None:
            task.put(core.AgentHungUp())

    async def _claim(self, channel_id: str) -> None:
        if not self._taking_calls:
            return
        try:
            await self._services.ari.claim(channel_id)
        except AsteriskError as error:
            log.warning("could not claim a call", reason=str(error))

    async def _free_orphan(self, channel_id: str) -> None:
        """Let a channel go on that waits in our application without a call of ours."""
        try:
            await let_go(self._services, channel_id)
        except NotFound:
            return
        except AsteriskError as error:
            log.warning("could not free a channel", reason=str(error))
        else:
            self._services.metrics.anomalies_total.labels(kind="orphan_channel_freed").inc()
