"""The one recording of a call: reserve, fence, start, see the files, stop, hand to sealing."""

import asyncio

import structlog

from ari_controller.asterisk.ari import AriClient
from ari_controller.asterisk.errors import AsteriskError, NotFound, Unavailable
from ari_controller.core.call import Call
from ari_controller.core.events import Event, MixMonitorFailed, MixMonitorStarted
from ari_controller.core.ledger import Entry
from ari_controller.core.model import Segment
from ari_controller.core.retention import retention_until
from ari_controller.dispatcher.recording_facts import recording_facts
from ari_controller.dispatcher.services import MIXMONITOR_ID, Services

log = structlog.get_logger(__name__)

# The file exists when AMI answers, or within a millisecond (docs/asterisk.md); the rest is for a
# machine under load.
FILES_SEEN_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 1.0
STASIS_APPLICATIONS = ("Stasis", "StasisBroadcast")


class CallRecording:
    """Starts and stops MixMonitor on the customer's channel, and keeps the books of it."""

    def __init__(self, services: Services, call_id: str, channel_id: str, began_at: float) -> None:
        self._services = services
        self._call_id = call_id
        self._channel_id = channel_id
        self._began_at = began_at
        self._entry: Entry | None = None
        self._recording_id: str | None = None
        self._mixmonitor_id: str | None = None

    def allowed_by(self, entry: Entry) -> None:
        """Remember the ledger entry that allows this recording."""
        self._entry = entry

    def adopt(self, recording_id: str, mixmonitor_id: str | None) -> None:
        """Take over a recording that an earlier daemon started."""
        self._recording_id = recording_id
        self._mixmonitor_id = mixmonitor_id

    async def start(self, call: Call) -> Event:
        """Start MixMonitor; a refusal of the store raises StoreError, the rest comes as an event.

        "Started" means that the files are seen: AMI answers Success with no file written as well
        (docs/asterisk.md).
        """
        services, began = self._services, self._services.monotonic()
        recording_id = services.new_id()
        rx, tx = services.spool.names(recording_id, 1)
        segment = Segment(1, rx, tx, started_at=services.wall())
        await self._reserve(call, recording_id, segment)
        self._recording_id = recording_id
        failure = await self._start_and_see(segment)
        if failure is not None:
            services.metrics.recordings_total.labels(outcome="failed").inc()
            services.notes.add(lambda: services.journal.recording_failed(recording_id, failure))
            self._recording_id = None
            return MixMonitorFailed(failure)
        services.metrics.mixmonitor_start_seconds.observe(services.monotonic() - began)
        services.metrics.recordings_total.labels(outcome="started").inc()
        mixmonitor_id, at = self._mixmonitor_id or "", services.wall()
        services.notes.add(
            lambda: services.journal.recording_started(recording_id, mixmonitor_id, at)
        )
        return MixMonitorStarted()

    async def stop(self) -> None:
        """Stop MixMonitor; returns only when it no longer runs, else raises AsteriskError."""
        mixmonitor_id = self._mixmonitor_id or await self._id_on_channel()
        if mixmonitor_id:
            await self._services.ami.stop_mixmonitor(self._channel_id, mixmonitor_id)

    def finish(self, reason: str, destroy: bool) -> None:
        """Close the books of the recording and hand it to sealing."""
        services, recording_id, at = self._services, self._recording_id, self._services.wall()
        if recording_id is None:
            return

        async def write() -> None:
            await services.journal.recording_stopped(recording_id, at, reason, destroy=destroy)
            services.seal()

        services.notes.add(write)

    async def _id_on_channel(self) -> str:
        # Asterisk puts the id there itself: the way to it when its answer to the start was lost.
        try:
            return await self._services.ari.get_variable(self._channel_id, MIXMONITOR_ID)
        except NotFound:
            return ""

    async def _reserve(self, call: Call, recording_id: str, segment: Segment) -> None:
        policy, entry = call.policy, self._entry
        if policy is None or entry is None:
            raise AssertionError("StartMixMonitor comes behind the fact that allows it")
        settings = self._services.settings()
        await self._services.journal.recording_reserved(
            recording_id,
            self._call_id,
            recording_facts(call, entry, settings, self._began_at),
            policy,
            self._channel_id,
            call.facts.agent_channel_id,
            segment,
            retention_until(self._began_at, policy.retention_months, settings.timezone),
        )

    async def _start_and_see(self, segment: Segment) -> str | None:
        """Return None when it records, else why not; then nothing is left running."""
        services = self._services
        try:
            if not await in_stasis(services.ari, self._channel_id):
                return self._fenced("before")
            self._mixmonitor_id = await services.ami.start_mixmonitor(
                self._channel_id,
                services.spool.absolute(segment.rx),
                services.spool.absolute(segment.tx),
                MIXMONITOR_ID,
            )
            if not await services.spool.seen(segment, FILES_SEEN_SECONDS):
                services.metrics.anomalies_total.labels(kind="success_without_file").inc()
                log.error(
                    "Asterisk said Success but wrote no file: is the spool writable for its user?",
                    call_id=self._call_id,
                )
                await self._undo(segment)
                return "no_file"
            if not await in_stasis(services.ari, self._channel_id):
                await self._undo(segment)
                return self._fenced("after")
        except AsteriskError as error:
            log.warning("MixMonitor did not start", call_id=self._call_id, reason=str(error))
            if not await self._undo(segment) or isinstance(error, Unavailable):
                services.spawn(self._undo_late(segment))
            return "mixmonitor_failed"
        return None

    def _fenced(self, when: str) -> str:
        self._services.metrics.anomalies_total.labels(kind="fenced_late").inc()
        log.error("came too late, the call went on without us", call_id=self._call_id, when=when)
        return "fenced_late"

    async def _undo(self, segment: Segment) -> bool:
        """Stop what may run and destroy what it wrote: nobody was told that it would be kept."""
        stopped = True
        try:
            await self.stop()
        except AsteriskError as error:
            self._services.metrics.anomalies_total.labels(kind="stop_failed").inc()
            log.error("StopMixMonitor failed", call_id=self._call_id, reason=str(error))
            stopped = False
        try:
            self._services.spool.remove(segment)
        except OSError as error:
            # The spool itself is what failed: the call goes on all the same (rule 3).
            log.error("cannot clear the spool", call_id=self._call_id, reason=error.strerror)
        return stopped

    async def _undo_late(self, segment: Segment) -> None:
        """Watch a channel until it is gone: an order that went unanswered may be obeyed late."""
        ari, undone = self._services.ari, False
        while not undone:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            try:
                self._mixmonitor_id = await ari.get_variable(self._channel_id, MIXMONITOR_ID)
            except NotFound:
                undone = await self._undo(segment)
            except AsteriskError:
                continue
            else:
                undone = bool(self._mixmonitor_id) and await self._undo(segment)


async def in_stasis(ari: AriClient, channel_id: str) -> bool:
    """Tell whether the channel is still in our application, not gone on in the dialplan."""
    try:
        channel = await ari.get_channel(channel_id)
    except NotFound:
        return False
    return channel.dialplan.app_name in STASIS_APPLICATIONS
