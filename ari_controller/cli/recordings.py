"""`recordings`: what there is, and whether it is what was recorded with consent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click
from rich.console import Console
from rich.progress import track
from sqlalchemy import Connection

from ari_controller.cli.doors import Doors, json_option, pass_doors
from ari_controller.cli.exits import ProblemsFound
from ari_controller.cli.output import local_time, print_facts, print_json, print_table
from ari_controller.core.ledger import instant
from ari_controller.core.model import SealedRecording
from ari_controller.recording import sidecar, verify
from ari_controller.recording.archive import ArchiveError, LocalArchive
from ari_controller.store import ledger, recordings
from ari_controller.store.proof import ledger_problems
from ari_controller.store.recordings import RecordingRow

STATES = ("reserved", "recording", "stopped", "sealed", "failed", "destroyed")


@dataclass(frozen=True, slots=True)
class _Verdict:
    recording_id: str
    problems: tuple[str, ...]


@click.group("recordings")
def command() -> None:
    """Tell what recordings there are, and whether they are intact."""


@command.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@pass_doors
def list_recordings(doors: Doors, state: str | None, limit: int, as_json: bool) -> None:
    """Show the latest recordings, newest first."""
    rows = doors.store.read(lambda connection: recordings.recent(connection, limit, state))
    if as_json:
        print_json({"recordings": [_recording(row) for row in rows]})
        return
    print_table(
        ("RECORDING", "BEGAN", "STATE", "SECONDS", "STOPPED BECAUSE", "MARKS", "KEPT UNTIL"),
        (
            (
                row.recording_id,
                local_time(row.started_at, doors.zone),
                row.state,
                None if row.duration_seconds is None else f"{row.duration_seconds:.1f}",
                row.stop_reason or row.failure,
                row.marks,
                row.retention_until,
            )
            for row in rows
        ),
        "no recordings",
    )


@command.command("show")
@click.argument("recording_id")
@json_option
@pass_doors
def show_recording(doors: Doors, recording_id: str, as_json: bool) -> None:
    """Show one recording with all that is known of it."""
    row = doors.store.read(lambda connection: recordings.find(connection, recording_id))
    if row is None:
        raise ProblemsFound(f"there is no recording {recording_id!r}; `recordings list` shows them")
    facts = _recording(row)
    if row.archive_path is not None:
        facts["file"] = str(doors.config.archive.path / row.archive_path)
    if as_json:
        print_json({"recording": {**facts, "facts": row.facts, "segments": _segments(row)}})
        return
    print_facts({**facts, **row.facts})
    click.echo()
    print_table(
        ("SEGMENT", "FROM CUSTOMER", "TO CUSTOMER", "BEGAN", "ENDED"),
        (tuple(segment.values()) for segment in _segments(row)),
        "no segments",
    )


@command.command("verify")
@click.argument("recording_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every sealed recording, and strays.")
@json_option
@pass_doors
def verify_recordings(
    doors: Doors, recording_ids: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """Compare audio, tags, sidecar, store and ledger with each other; exit code 1 if they differ.

    The ledger is proven first, then each recording is read whole.
    """
    if bool(recording_ids) == everything:
        raise click.UsageError("give the ids of recordings, or --all")
    archive = LocalArchive(doors.config.archive.path)
    entries = doors.store.read(ledger.verify_all)
    ids = doors.store.read(_sealed_ids) if everything else list(dict.fromkeys(recording_ids))
    verdicts = [_verify(doors, archive, recording_id) for recording_id in _progress(ids)]
    strays = _strays(doors, archive) if everything else []
    if as_json:
        listed = [
            {"recording_id": one.recording_id, "intact": not one.problems, "problems": one.problems}
            for one in verdicts
        ]
        print_json({"ledger_entries": entries, "recordings": listed, "strays": strays})
    else:
        print_table(
            ("RECORDING", "INTACT", "PROBLEMS"),
            ((one.recording_id, not one.problems, one.problems) for one in verdicts),
            "no sealed recordings",
        )
        for stray in strays:
            click.echo(f"in the archive, but of no recording: {stray}")
    bad = sum(bool(one.problems) for one in verdicts) + len(strays)
    if bad:
        raise ProblemsFound(f"{bad} of {len(verdicts) + len(strays)} are not as they should be")


def _verify(doors: Doors, archive: LocalArchive, recording_id: str) -> _Verdict:
    row = doors.store.read(lambda connection: recordings.find(connection, recording_id))
    if row is None:
        return _Verdict(recording_id, ("there is no such recording",))
    sealed = _sealed(row)
    if sealed is None:
        return _Verdict(recording_id, (f"there is nothing to verify: it is {row.state}",))
    call_id = row.call_id
    entries = doors.store.read(lambda one: list(ledger.iterate(one, call_id=call_id)))
    problems = [*_archive_problems(archive, row, sealed), *ledger_problems(row, entries)]
    return _Verdict(recording_id, tuple(problems))


def _archive_problems(
    archive: LocalArchive, row: RecordingRow, sealed: SealedRecording
) -> list[str]:
    try:
        problems = verify.problems(archive, sealed)
        document = sidecar.load(archive.sidecar(sealed.path).read_bytes())
    except FileNotFoundError:
        return ["audio file or sidecar missing"]
    except (OSError, ArchiveError, sidecar.SidecarError) as error:
        return [f"cannot be read: {error}"]
    if (document.call_id, document.facts) != (row.call_id, row.facts):
        problems.append("sidecar and store differ in the facts of the call")
    return problems


def _strays(doors: Doors, archive: LocalArchive) -> list[str]:
    """Look twice: the daemon may be sealing, and the file is there before the store knows."""
    first = set(verify.strays(archive, doors.store.read(_sealed_paths)))
    if not first:
        return []
    return sorted(first.intersection(verify.strays(archive, doors.store.read(_sealed_paths))))


def _progress(ids: Sequence[str]) -> Iterable[str]:
    console = Console(stderr=True)
    return track(ids, "verifying", console=console) if console.is_terminal else ids


def _sealed_ids(connection: Connection) -> list[str]:
    return [row.recording_id for row in recordings.in_states(connection, "sealed")]


def _sealed_paths(connection: Connection) -> list[str]:
    rows = recordings.in_states(connection, "sealed")
    return [row.archive_path for row in rows if row.archive_path is not None]


def _sealed(row: RecordingRow) -> SealedRecording | None:
    path, sha256, size, seconds = (
        row.archive_path,
        row.sha256,
        row.size_bytes,
        row.duration_seconds,
    )
    if row.state != "sealed" or path is None or sha256 is None or size is None or seconds is None:
        return None
    return SealedRecording(row.recording_id, path, sha256, size, seconds, row.marks)


def _recording(row: RecordingRow) -> dict[str, object]:
    return {
        "recording_id": row.recording_id,
        "call_id": row.call_id,
        "state": row.state,
        "started_at": instant(row.started_at),
        "stopped_at": None if row.stopped_at is None else instant(row.stopped_at),
        "stop_reason": row.stop_reason,
        "failure": row.failure,
        "duration_seconds": row.duration_seconds,
        "marks": list(row.marks),
        "retention_until": row.retention_until,
        "archive_path": row.archive_path,
        "sha256": row.sha256,
        "size_bytes": row.size_bytes,
        "encryption": row.encryption,
    }


def _segments(row: RecordingRow) -> list[dict[str, object]]:
    return [
        {
            "number": one.number,
            "rx": one.rx,
            "tx": one.tx,
            "started_at": instant(one.started_at),
            "stopped_at": None if one.stopped_at is None else instant(one.stopped_at),
        }
        for one in row.segments
    ]
