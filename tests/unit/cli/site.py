"""A site as the commands find it: configuration, store, archive; one call recorded, one refused."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text

from ari_controller.core.ledger import Fact
from ari_controller.core.model import SealedRecording
from ari_controller.recording import sidecar
from ari_controller.recording.archive import LocalArchive
from ari_controller.recording.job import SealJob
from ari_controller.recording.seal import seal
from ari_controller.store.engine import Store
from ari_controller.store.journal import Journal
from tests.unit.recording.wavs import SOFTWARE, STARTED_AT, Desk, tone, wav
from tests.unit.store.samples import CALL, POLICY, RETENTION_UNTIL, said

RECORDED, REFUSED, RECORDING = "c-recorded", "c-refused", "r-sealed"
# Relative to the file, so that a copy of the folder is a site of its own.
PLACES = "store: {path: store.db}\ncontrol: {socket: c.sock}\nspool: {path: spool}\n"
SHIPPED = Path(__file__).parents[3] / "config" / "ari-controller.yaml"


class Site:
    """The folder, and doors to spoil what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "ari-controller.yaml"
        self.store = folder / "store.db"
        self.socket = folder / "c.sock"
        self.archive = LocalArchive(folder / "archive")
        self.sealed: SealedRecording | None = None

    def fill(self) -> None:
        shipped = SHIPPED.read_text(encoding="utf-8")
        moved = shipped.replace("archive:\n", "archive:\n  path: archive\n", 1)
        self.config.write_text(PLACES + moved, encoding="utf-8")
        self.archive.prepare()
        self.sealed = asyncio.run(self._fill(Desk(self.folder / "spool")))

    def copy(self, folder: Path) -> "Site":
        shutil.copytree(self.folder, folder)
        site = Site(folder)
        site.sealed = self.sealed
        return site

    @property
    def path(self) -> str:
        """Where the sealed recording lies in the archive."""
        assert self.sealed is not None
        return self.sealed.path

    async def _fill(self, desk: Desk) -> SealedRecording:
        store = Store.open(self.store)
        try:
            journal = Journal(store, lambda: STARTED_AT, os.urandom)
            for call_id, at in ((RECORDED, STARTED_AT), (REFUSED, STARTED_AT + 60)):
                await journal.call_entered(replace(CALL, call_id=call_id), POLICY, "implied", at)
            await journal.append(said(Fact.CONSENT_REFUSED, REFUSED))
            await journal.call_ended(REFUSED, "refused", "opt_out_key", STARTED_AT + 70)
            return await self._record(journal, desk)
        finally:
            store.close()

    async def _record(self, journal: Journal, desk: Desk) -> SealedRecording:
        allowed = await journal.append(said(Fact.CONSENT_GIVEN, RECORDED))
        consent = {"ledger_seq": allowed.seq, "ledger_hash": allowed.hash}
        sound = wav(tone(1000, 1.0)), wav(tone(1300, 1.0))
        segment = replace(desk.segment(RECORDING, *sound), stopped_at=None)
        await journal.recording_reserved(
            RECORDING,
            RECORDED,
            {"direction": "inbound", "consent": consent},
            POLICY,
            CALL.channel_id,
            None,
            segment,
            RETENTION_UNTIL,
        )
        await journal.recording_started(RECORDING, "0x1", STARTED_AT)
        await journal.recording_stopped(RECORDING, STARTED_AT + 1, "hangup")
        (stopped,) = await journal.pending()
        target = self.archive.temporary(RECORDING)
        document = seal(SealJob(desk.spool, stopped, target, SOFTWARE))
        path = self.archive.path_of(stopped)
        await self.archive.store(path, document)
        sealed = sidecar.sealed(document, path)
        await journal.sealed(sealed)
        return sealed

    def spoil(self, *statements: str) -> None:
        """Change the store as somebody with root could."""
        engine = create_engine(f"sqlite:///{self.store}")
        with engine.begin() as connection:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in connection.execute(text(triggers)).scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()
