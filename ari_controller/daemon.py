"""Wires everything together: starts, reconciles, watches, stops. The only reader of the clock."""

import asyncio
import secrets
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from ari_controller import __version__, logs
from ari_controller.asterisk.ami import AmiClient
from ari_controller.asterisk.ari import AriClient
from ari_controller.asterisk.ari_events import Event
from ari_controller.asterisk.errors import AsteriskError, Replaced
from ari_controller.config.load import Settings, load
from ari_controller.control.sd_notify import notify, watchdog_seconds
from ari_controller.control.server import ControlServer
from ari_controller.core.call import Phase
from ari_controller.core.events import ConsentWithdrawn
from ari_controller.core.ledger import Fact, Statement
from ari_controller.dispatcher.adoption import adopt_open_work
from ari_controller.dispatcher.dispatcher import Dispatcher
from ari_controller.dispatcher.notes import Notes
from ari_controller.dispatcher.services import Services
from ari_controller.metrics import Metrics
from ari_controller.recording.archive import LocalArchive
from ari_controller.recording.sealer import Sealer, SealOutcome
from ari_controller.recording.spool import Spool
from ari_controller.store import ledger
from ari_controller.store.engine import Store, StoreError
from ari_controller.store.journal import Journal
from ari_controller.web import serve_web

log = structlog.get_logger(__name__)

EXIT_OK = 0
# systemd does not restart on it: two daemons must not fight for one application name.
EXIT_REPLACED = 70

# Recordings that outlast this go on in Asterisk and are adopted at the next start.
STOP_GRACE_SECONDS = 20.0
STOP_POLL_SECONDS = 0.1
STORE_WATCH_SECONDS = 2.0
HEAD_SECONDS = 600.0


def run(config_path: Path) -> int:
    """Run the daemon until SIGTERM; return the exit code.

    Raises ConfigError, StoreError or OSError before any call is taken.
    """
    settings = load(config_path)
    logs.configure(settings.logging.level)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    metrics = Metrics(CollectorRegistry())

    def committed(seconds: float, _jobs: int) -> None:
        metrics.ledger_append_seconds.observe(seconds)

    store = await asyncio.to_thread(Store.open, settings.store.path, committed)
    code = EXIT_OK
    try:
        async with asyncio.TaskGroup() as group:
            daemon = Daemon(settings, store, metrics, group)
            await daemon.run()
    except* Replaced as replaced:
        log.error("stopped", reason=str(replaced.exceptions[0]))
        code = EXIT_REPLACED
    finally:
        await asyncio.to_thread(store.close)
    return code


class Daemon:
    """One daemon: the links, the calls, the sealer, the doors."""

    def __init__(
        self, settings: Settings, store: Store, metrics: Metrics, group: asyncio.TaskGroup
    ) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._group = group
        self._started = time.monotonic()
        self._stop = asyncio.Event()
        self._ari_up = asyncio.Event()
        self._ami_up = asyncio.Event()
        self._store_answers = True
        self._lasting: list[asyncio.Task[Any]] = []
        self._spawned: set[asyncio.Task[None]] = set()
        self._journal = Journal(store, time.time, secrets.token_bytes)
        self._notes = Notes(metrics)
        self._spool = Spool(settings.spool.path)
        self._software = {"ari-controller": __version__}
        self._sealer = self._make_sealer()
        metrics.seal_backlog.set_function(lambda: self._sealer.backlog)
        ari, ami = settings.asterisk.ari, settings.asterisk.ami
        self._ari = AriClient(
            ari.url,
            ari.user,
            settings.ari_password,
            ari.app,
            on_event=self._on_ari_event,
            on_up=self._on_ari_up,
            on_down=self._on_ari_down,
            rest=ari.rest,
        )
        self._ami = AmiClient(
            ami.host,
            ami.port,
            ami.user,
            settings.ami_password,
            on_up=self._on_ami_up,
            on_down=self._on_ami_down,
        )
        self._services = Services(
            ari=self._ari,
            ami=self._ami,
            spool=self._spool,
            journal=self._journal,
            notes=self._notes,
            metrics=metrics,
            settings=lambda: self._settings,
            wall=time.time,
            monotonic=time.monotonic,
            new_id=lambda: secrets.token_hex(16),
            seal=self._sealer.notify,
            spawn=self._spawn,
        )
        self._dispatcher = Dispatcher(self._services)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop cleanly."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        started = {"version": __version__}
        await self._journal.append(Statement(Fact.DAEMON_STARTED, None, None, started, {}))
        http, control = self._settings.http, self._settings.control
        async with (
            serve_web(http.host, http.port, self._metrics, self.readiness),
            ControlServer(control.socket, self),
        ):
            for lasting in (
                self._notes.run(),
                self._sealer.run(),
                self._ari.run(),
                self._ami.run(),
                self._adopt(),
                self._watch(),
                self._tell_head(),
            ):
                self._lasting.append(self._group.create_task(lasting))
            log.info("started", version=__version__)
            notify("READY=1")
            await self._stop.wait()
            await self._stop_cleanly()

    async def status(self) -> dict[str, object]:
        """Return what the daemon is doing, for `GET /v1/status`."""
        phases = [task.call.phase for task in self._dispatcher.calls]
        head = await self._store.read(ledger.head)
        return {
            "version": __version__,
            "uptime_seconds": int(time.monotonic() - self._started),
            "ready": self.readiness(),
            "calls": {phase.value: phases.count(phase) for phase in Phase if phase in phases},
            "seal_backlog": self._sealer.backlog,
            "ledger_head": None if head is None else {"seq": head.seq, "hash": head.hash},
        }

    async def withdraw(self, call_id: str, author: str, reason: str) -> bool | None:
        """Withdraw consent for a call; None: no such call, False: it is not being recorded (N3)."""
        task = self._dispatcher.find(call_id)
        if task is None:
            return None
        if task not in self._dispatcher.recording_calls():
            return False
        log.info("withdrawal asked for", call_id=call_id)
        task.put(ConsentWithdrawn("api", author, reason))
        return True

    def readiness(self) -> dict[str, bool]:
        """Tell which of the three things that a recording needs are there."""
        return {
            "ari": self._ari.connected,
            "ami": self._ami.connected,
            "store": self._store_answers,
        }

    def _make_sealer(self) -> Sealer:
        settings = self._settings
        archive = LocalArchive(
            settings.archive.path, int(settings.archive.mode, 8), settings.archive.group
        )
        archive.prepare()
        return Sealer(self._spool, archive, self._journal, self._software, self._sealed)

    def _sealed(self, outcome: SealOutcome) -> None:
        metrics = self._metrics
        if outcome.outcome == "retry":
            metrics.seal_retries_total.inc()
            log.error("could not seal, will try again", **_told(outcome))
            return
        metrics.recordings_total.labels(outcome=outcome.outcome).inc()
        for mark in outcome.marks:
            metrics.recordings_marked_total.labels(mark=mark).inc()
        if outcome.outcome == "sealed":
            metrics.seal_seconds.observe(outcome.seconds)
            self._notes.add(lambda: self._prove(outcome.recording_id))
        log.info(outcome.outcome, marks=outcome.marks, **_told(outcome))

    async def _prove(self, recording_id: str) -> None:
        """Count what must never be: a recording that the ledger does not allow (rule 1)."""
        problems = await self._journal.unproven(recording_id)
        if problems:
            self._metrics.recorded_without_consent_total.inc()
            log.critical("recording without proof", recording_id=recording_id, problems=problems)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task

    def _on_ari_event(self, event: Event) -> None:
        self._dispatcher.on_event(event)

    async def _on_ari_up(self) -> None:
        self._link("ari", up=True)
        self._software["asterisk"] = (await self._ari.info()).version
        await self._dispatcher.reconcile()
        self._ari_up.set()

    async def _on_ami_up(self) -> None:
        self._link("ami", up=True)
        self._ami_up.set()

    def _on_ari_down(self, reason: str) -> None:
        self._link("ari", up=False, reason=reason)
        self._ari_up.clear()
        self._dispatcher.on_link_down()

    def _on_ami_down(self, reason: str) -> None:
        self._link("ami", up=False, reason=reason)
        self._ami_up.clear()

    def _link(self, link: str, *, up: bool, reason: str = "") -> None:
        self._metrics.links_up.labels(link=link).set(int(up))
        if up:
            self._metrics.reconnects_total.labels(link=link).inc()
            log.info("link up", link=link)
        else:
            log.warning("link down", link=link, reason=reason)

    async def _adopt(self) -> None:
        """Take over an earlier daemon's recordings, once both links are up."""
        while True:
            await self._ari_up.wait()
            await self._ami_up.wait()
            try:
                await adopt_open_work(self._services, self._dispatcher)
                await self._dispatcher.reconcile()
            except (AsteriskError, StoreError) as error:
                log.warning("could not adopt yet", reason=str(error))
                await asyncio.sleep(1.0)
            else:
                return

    async def _watch(self) -> None:
        """Feed systemd's watchdog from the loop, and only while the store answers."""
        period = min(STORE_WATCH_SECONDS, watchdog_seconds() or STORE_WATCH_SECONDS)
        while True:
            try:
                async with asyncio.timeout(period):
                    await self._store.write(lambda _connection: None)
            except (StoreError, TimeoutError) as error:
                self._store_answers = False
                log.error("store does not answer", reason=str(error))
            else:
                self._store_answers = True
                notify("WATCHDOG=1")
            await asyncio.sleep(period)

    async def _tell_head(self) -> None:
        """Put the ledger's head into the journal now and then.

        Whoever rewrites the whole ledger later cannot rewrite what was logged (docs/ledger.md).
        """
        while True:
            try:
                head = await self._store.read(ledger.head)
            except StoreError as error:
                log.error("ledger head cannot be read", reason=str(error))
            else:
                if head is not None:
                    log.info("ledger head", seq=head.seq, hash=head.hash)
            await asyncio.sleep(HEAD_SECONDS)

    async def _stop_cleanly(self) -> None:
        """Let calls go on and recordings finish; what takes longer is adopted at the next start."""
        notify("STOPPING=1")
        log.info("stopping", recordings=len(self._dispatcher.recording_calls()))
        self._dispatcher.stop_taking_calls()
        try:
            async with asyncio.timeout(STOP_GRACE_SECONDS):
                await self._finish()
        except TimeoutError:
            left = len(self._dispatcher.recording_calls())
            log.warning("recordings go on in Asterisk and are adopted at the next start", left=left)
        stopped = {"recordings_going_on": len(self._dispatcher.recording_calls())}
        await self._journal.append(Statement(Fact.DAEMON_STOPPED, None, None, stopped, {}))
        # What is recorded goes on in Asterisk.
        for task in (*self._lasting, *self._spawned):
            task.cancel()

    async def _finish(self) -> None:
        # Calls, notes and seals end in three rooms: looking now and then is simpler than hearing.
        while not await self._finished():  # noqa: ASYNC110
            await asyncio.sleep(STOP_POLL_SECONDS)

    async def _finished(self) -> bool:
        if self._dispatcher.waiting_calls() or self._dispatcher.recording_calls():
            return False
        await self._notes.drain()
        return not await self._journal.pending()


def _told(outcome: SealOutcome) -> dict[str, str]:
    told = {
        "recording_id": outcome.recording_id,
        "reason": outcome.reason,
        "detail": outcome.detail,
    }
    return {key: value for key, value in told.items() if value}
