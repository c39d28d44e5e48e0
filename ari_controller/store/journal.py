"""The store as the dispatcher and the sealer see it: each row and its ledger fact in one write.

Every method raises StoreError; `Refused`, its subclass, where trying again is of no use. A write
may be repeated after a failure: what is in the store already is not written twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from ari_controller.core.ledger import ALLOWING, FORBIDDING, Entry, Fact, Statement, instant
from ari_controller.core.model import CallFacts, Policy, SealedRecording, Segment, StoppedRecording
from ari_controller.store import calls, ledger, recording_states, recordings, register
from ari_controller.store.calls import CallRow
from ari_controller.store.engine import Refused, Store
from ari_controller.store.proof import ledger_problems
from ari_controller.store.recordings import RecordingRow

SALT_BYTES = 32


class Journal:
    """Writes down what happens, when it happens.

    `clock` gives Unix seconds, `token(n)` n random bytes for the salts; both are called on the
    writer's thread.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], token: Callable[[int], bytes]
    ) -> None:
        self._store = store
        self._clock = clock
        self._token = token

    async def append(self, statement: Statement) -> Entry:
        """Write one fact; it is durable on return."""
        return await self._store.write(lambda connection: self._append(connection, statement))

    async def call_entered(
        self, facts: CallFacts, policy: Policy | None, mode: str, at: float
    ) -> None:
        """Open a call's books; `at` is when it reached us."""
        statement = _call_entered(facts, policy, mode, at)

        def write(connection: Connection) -> None:
            if calls.find(connection, facts.call_id) is None:
                calls.insert(connection, facts, policy, mode, at)
                self._append(connection, statement)

        await self._store.write(write)

    async def call_phase(self, call_id: str, phase: str) -> None:
        """Write the phase that a call is in."""
        await self._store.write(lambda connection: calls.set_phase(connection, call_id, phase))

    async def call_ended(self, call_id: str, outcome: str, reason: str, at: float) -> None:
        """Close a call's books; also those of a call whose entry never reached the store."""
        public = {"outcome": outcome, "reason": reason, "ended_at": instant(at)}
        statement = Statement(Fact.CALL_ENDED, call_id, None, public, {})

        def write(connection: Connection) -> None:
            if not ledger.has_fact(connection, call_id, [Fact.CALL_ENDED]):
                calls.end(connection, call_id, outcome, reason, at)
                self._append(connection, statement)

        await self._store.write(write)

    async def open_calls(self) -> Sequence[CallRow]:
        """Return the calls that have not ended, oldest first."""
        return await self._store.read(calls.open_calls)

    async def is_on_register(self, number: str | None) -> bool:
        """Tell whether a number, as `core.numbers.normalise` gives it, must not be recorded (N4).

        None is a caller whose number nobody knows: such a one cannot be on it.
        """
        if number is None:
            return False
        return await self._store.read(lambda connection: register.is_listed(connection, number))

    async def recording_reserved(  # noqa: PLR0917 - what a row needs, in the order of the call
        self,
        recording_id: str,
        call_id: str,
        facts: dict[str, object],
        policy: Policy,
        channel_id: str,
        agent_channel_id: str | None,
        segment: Segment,
        retention_until: str,
    ) -> None:
        """Make a row for a recording before it starts.

        The last gate (rules 1 and 2): raises Refused unless the ledger holds the fact that allows
        it and none that forbids it.
        """

        def write(connection: Connection) -> None:
            _require_allowed(connection, call_id)
            recording_states.reserve(
                connection,
                recording_id=recording_id,
                call_id=call_id,
                facts=facts,
                policy=policy,
                channel_id=channel_id,
                agent_channel_id=agent_channel_id,
                segment=segment,
                retention_until=retention_until,
            )

        await self._store.write(write)

    async def segment_added(self, recording_id: str, segment: Segment) -> None:
        """Add a segment before its MixMonitor starts; the same gate as for the first one."""

        def write(connection: Connection) -> None:
            row = recordings.get(connection, recording_id)
            _require_allowed(connection, row.call_id)
            if row.state not in ("reserved", "recording"):
                raise Refused(f"recording {recording_id} is {row.state}, it gets no more segments")
            recording_states.add_segment(connection, recording_id, segment)

        await self._store.write(write)

    async def recording_started(self, recording_id: str, mixmonitor_id: str, at: float) -> None:
        """Write that the files were seen at `at`."""

        def write(connection: Connection, row: RecordingRow) -> Statement | None:
            if not recording_states.start(connection, row, mixmonitor_id, at):
                return None
            started = _of(row, Fact.RECORDING_STARTED, {"started_at": instant(at)})
            personal = {"channel_id": row.channel_id, "mixmonitor_id": mixmonitor_id}
            return replace(started, personal=personal)

        await self._on_recording(recording_id, write)

    async def recording_stopped(
        self, recording_id: str, at: float, reason: str, destroy: bool = False
    ) -> None:
        """Write that it will not grow any more, and whether it is to be destroyed unsealed."""

        def write(connection: Connection, row: RecordingRow) -> Statement | None:
            if not recording_states.stop(connection, row, at, reason, destroy):
                return None
            public = {"reason": reason, "stopped_at": instant(at), "destroy": destroy}
            return _of(row, Fact.RECORDING_STOPPED, public)

        await self._on_recording(recording_id, write)

    async def recording_failed(self, recording_id: str, reason: str) -> None:
        """Write that there is no recording, and why."""

        def write(connection: Connection, row: RecordingRow) -> Statement | None:
            if not recording_states.fail(connection, row, reason):
                return None
            return _of(row, Fact.RECORDING_FAILED, {"reason": reason})

        await self._on_recording(recording_id, write)

    async def unproven(self, recording_id: str) -> list[str]:
        """Return, in words, what the ledger does not bear out about a sealed recording (rule 5)."""

        def look(connection: Connection) -> list[str]:
            row = recordings.get(connection, recording_id)
            return ledger_problems(row, list(ledger.iterate(connection, call_id=row.call_id)))

        return await self._store.read(look)

    async def pending(self) -> list[StoppedRecording]:
        """Return what waits to be sealed or destroyed, the first stopped first."""
        rows = await self._store.read(
            lambda connection: recordings.in_states(connection, "stopped")
        )
        return [row.stopped() for row in rows]

    async def open_recordings(self) -> Sequence[RecordingRow]:
        """Return the recordings that are reserved or running, oldest first."""
        return await self._store.read(
            lambda connection: recordings.in_states(connection, "reserved", "recording")
        )

    async def sealed(self, sealed: SealedRecording) -> None:
        """Write that the archive holds it, with its hash; refused for one to be destroyed."""

        def write(connection: Connection, row: RecordingRow) -> Statement | None:
            if not recording_states.seal(connection, row, sealed):
                return None
            public = {
                "sha256": sealed.sha256,
                "size_bytes": sealed.size_bytes,
                "duration_ms": round(sealed.duration_seconds * 1000),
                "marks": list(sealed.marks),
                "retention_until": row.retention_until,
            }
            return _of(row, Fact.RECORDING_SEALED, public)

        await self._on_recording(sealed.recording_id, write)

    async def destroyed(self, recording_id: str, reason: str) -> None:
        """Write that its audio is gone, and why."""

        def write(connection: Connection, row: RecordingRow) -> Statement | None:
            if not recording_states.destroy(connection, row, reason):
                return None
            return _of(row, Fact.RECORDING_DESTROYED, {"reason": reason})

        await self._on_recording(recording_id, write)

    async def _on_recording(
        self, recording_id: str, write: Callable[[Connection, RecordingRow], Statement | None]
    ) -> None:
        """Change a row, and write down the fact if there is one to write."""

        def job(connection: Connection) -> None:
            statement = write(connection, recordings.get(connection, recording_id))
            if statement is not None:
                self._append(connection, statement)

        await self._store.write(job)

    def _append(self, connection: Connection, statement: Statement) -> Entry:
        return ledger.append(connection, statement, instant(self._clock()), self._token(SALT_BYTES))


def _require_allowed(connection: Connection, call_id: str) -> None:
    if not ledger.has_fact(connection, call_id, ALLOWING):
        raise Refused(f"the ledger holds nothing that allows recording call {call_id}")
    if ledger.has_fact(connection, call_id, FORBIDDING):
        raise Refused(f"the ledger holds a refusal or a withdrawal of call {call_id}")


def _call_entered(facts: CallFacts, policy: Policy | None, mode: str, at: float) -> Statement:
    public = {
        "direction": facts.direction.value,
        "media": "early" if facts.early_media else "answered",
        "mode": mode,
        "policy": None if policy is None else policy.name,
        "policy_version": None if policy is None else policy.version,
        "entered_at": instant(at),
    }
    personal = {
        "channel_id": facts.channel_id,
        "linkedid": facts.linkedid,
        "number": facts.number,
        "did": facts.did,
        "endpoint": facts.endpoint,
        "context": facts.context,
        "agent_channel_id": facts.agent_channel_id,
        "agent_endpoint": facts.agent_endpoint,
    }
    return Statement(Fact.CALL_ENTERED, facts.call_id, None, public, personal)


def _of(row: RecordingRow, fact: Fact, public: dict[str, object]) -> Statement:
    return Statement(fact, row.call_id, row.recording_id, public, {})
