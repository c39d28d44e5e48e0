"""What the ledger says about one recording: what allowed it, what forbade it, what was sealed."""

from collections.abc import Sequence

from ari_controller.core.ledger import ALLOWING, FORBIDDING, Entry, Fact
from ari_controller.store.recordings import RecordingRow


def ledger_problems(row: RecordingRow, entries: Sequence[Entry]) -> list[str]:
    """Return, in words, where the ledger does not bear out a sealed recording (rules 1, 2 and 5).

    `entries` are those of its call, in order, from a chain that was verified.
    """
    problems = []
    allowing = _allowing(row, entries)
    if allowing is None:
        problems.append("the ledger does not hold the consent that the recording names")
    started = _of(row, entries, Fact.RECORDING_STARTED)
    if started is not None:
        if allowing is not None and allowing.seq > started.seq:
            problems.append("the ledger holds the consent only after the start")
        if any(entry.fact in FORBIDDING and entry.seq < started.seq for entry in entries):
            problems.append("the ledger holds a refusal or withdrawal before the start")
    sealed = _of(row, entries, Fact.RECORDING_SEALED)
    if sealed is None:
        problems.append("the ledger does not hold the sealing")
    elif sealed.public.get("sha256") != row.sha256:
        problems.append("the ledger holds another SHA-256 than the store")
    return problems


def _allowing(row: RecordingRow, entries: Sequence[Entry]) -> Entry | None:
    named = row.facts.get("consent")
    if not isinstance(named, dict):
        return None
    for entry in entries:
        if (entry.seq, entry.hash) == (named.get("ledger_seq"), named.get("ledger_hash")):
            return entry if entry.fact in ALLOWING else None
    return None


def _of(row: RecordingRow, entries: Sequence[Entry], fact: Fact) -> Entry | None:
    ours = (e for e in entries if e.fact == fact and e.recording_id == row.recording_id)
    return next(ours, None)
