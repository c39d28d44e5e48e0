"""What an end-to-end test asks of a site: its calls, ledger, recordings, metrics, by number."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from ari_controller.asterisk.ari_http import open_ari_http
from ari_controller.core.ledger import Entry
from ari_controller.core.numbers import normalise
from ari_controller.store import calls, ledger, recordings
from ari_controller.store.calls import CallRow
from ari_controller.store.engine import ReadOnlyStore
from ari_controller.store.recordings import RecordingRow
from lab.phone import OutgoingCall
from lab.site import Site
from lab.story import DID, Cast

T = TypeVar("T")
PATIENCE_SECONDS = 15.0
# A tone that is not there measures a few tens, from its neighbours; one that is, thousands.
ABSENT = 100.0
_numbers = itertools.count(1)


def new_number() -> str:
    """Return a customer's number that no other test uses."""
    return f"0722{next(_numbers):06d}"


async def eventually(look: Callable[[], T | None], within: float = PATIENCE_SECONDS) -> T:
    """Return what `look` finds as soon as it is true; TimeoutError if it stays away."""
    async with asyncio.timeout(within):
        while True:
            found = look()
            if found:
                return found
            await asyncio.sleep(0.02)


@dataclass
class Stage:
    """A site with its phones, and the questions a test asks."""

    site: Site
    cast: Cast

    async def dial(self, number: str, did: str = DID, tone_hz: int | None = 700) -> OutgoingCall:
        """Let a customer call a number of the call centre; return once audio can flow."""
        uri = f"sip:{did}@{self.cast.server}"
        call = await self.cast.caller.call(uri, tone_hz, user=number)
        await call.audio()
        return call

    async def variable(self, number: str, name: str) -> str:
        """Return a variable of the customer's channel, as Asterisk itself has it."""
        call = self.call_of(number)
        assert call is not None
        url = f"http://127.0.0.1:{self.site.ports.ari}"
        secret = (self.site.directory / "secret").read_text(encoding="utf-8")
        async with open_ari_http(url, "ari-controller", secret, "ari-controller") as ari:
            return await ari.get_variable(call.channel_id, name)

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run a query on the site's store."""
        return ReadOnlyStore.open(self.site.directory / "store.db").read(job)

    def call_of(self, number: str) -> CallRow | None:
        """Return the latest call with this customer's number."""
        rows = self.read(lambda connection: calls.recent(connection, 1000))
        return next((row for row in rows if row.number == normalise(number)), None)

    async def ended(self, number: str) -> CallRow:
        """Wait until the store has the end of the customer's call."""

        def look() -> CallRow | None:
            call = self.call_of(number)
            return call if call is not None and call.ended_at is not None else None

        return await eventually(look)

    def facts_of(self, number: str) -> list[str]:
        """Return what the ledger says of the customer's call, in order."""
        return [entry.fact for entry in self.entries_of(number)]

    def entries_of(self, number: str) -> list[Entry]:
        """Return the ledger entries of the customer's call, in order."""
        call = self.call_of(number)
        if call is None:
            return []
        entries = self.read(lambda connection: list(ledger.iterate(connection)))
        return [entry for entry in entries if entry.call_id == call.call_id]

    async def fact(self, number: str, fact: str) -> Entry:
        """Wait for a fact about the customer's call."""
        return await eventually(
            lambda: next((e for e in self.entries_of(number) if e.fact == fact), None), 40.0
        )

    def recording_of(self, number: str) -> RecordingRow | None:
        """Return the recording of the customer's call, in whatever state."""
        call = self.call_of(number)
        if call is None:
            return None
        call_id = call.call_id
        rows = self.read(lambda connection: recordings.of_call(connection, call_id))
        return rows[0] if rows else None

    async def sealed(self, number: str) -> RecordingRow:
        """Wait until the recording of the customer's call is in the archive."""

        def look() -> RecordingRow | None:
            row = self.recording_of(number)
            return row if row is not None and row.state == "sealed" else None

        return await eventually(look)

    def file_of(self, recording: RecordingRow) -> Path:
        """Return the archived sound file."""
        assert recording.archive_path is not None
        return self.site.archive / recording.archive_path

    def sidecar_of(self, recording: RecordingRow) -> dict[str, Any]:
        """Return the archived sidecar."""
        text = self.file_of(recording).with_suffix(".json").read_text(encoding="utf-8")
        sidecar: dict[str, Any] = json.loads(text)
        return sidecar

    def spool_files(self) -> list[str]:
        """Return the names on the spool."""
        return sorted(path.name for path in self.site.spool.iterdir())

    async def metric(self, name: str, **labels: str) -> float:
        """Return one sample of /metrics; 0 when it is not there."""
        _, text = await self.site.get("/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0
