"""`calls`: what became of each call, and the withdrawal of consent (N3)."""

import asyncio
import getpass
from collections.abc import Sequence
from datetime import datetime

import click
from sqlalchemy import Connection

from ari_controller.cli.doors import Doors, json_option, pass_doors
from ari_controller.cli.exits import ProblemsFound
from ari_controller.cli.output import local_time, print_facts, print_json, print_table
from ari_controller.core.ledger import Entry, instant
from ari_controller.core.numbers import mask
from ari_controller.store import calls, ledger, recordings
from ari_controller.store.calls import CallRow
from ari_controller.store.recordings import RecordingRow

Found = tuple[CallRow | None, Sequence[RecordingRow], Sequence[Entry]]


@click.group("calls")
def command() -> None:
    """Tell what became of each call; withdraw consent."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
    help="Only calls that began then or later, in the configuration's time zone.",
)
@json_option
@pass_doors
def list_calls(doors: Doors, limit: int, since: datetime | None, as_json: bool) -> None:
    """Show the latest calls, newest first; customers' numbers masked."""
    rows = doors.store.read(lambda connection: calls.recent(connection, limit))
    if since is not None:
        first = since.replace(tzinfo=doors.zone).timestamp()
        rows = [row for row in rows if row.started_at >= first]
    if as_json:
        print_json({"calls": [_call(row) for row in rows]})
        return
    print_table(
        ("CALL", "BEGAN", "DIRECTION", "NUMBER", "POLICY", "MODE", "OUTCOME", "REASON"),
        (
            (
                row.call_id,
                local_time(row.started_at, doors.zone),
                row.direction,
                row.number and mask(row.number),
                row.policy,
                row.mode,
                row.outcome or row.phase,
                row.reason,
            )
            for row in rows
        ),
        "no calls",
    )


@command.command("show")
@click.argument("call_id")
@click.option("--full-numbers", is_flag=True, help="Do not mask the customer's number.")
@json_option
@pass_doors
def show_call(doors: Doors, call_id: str, full_numbers: bool, as_json: bool) -> None:
    """Show one call: its facts, its recordings, and what the ledger holds of it."""
    row, made, entries = doors.store.read(lambda connection: _find(connection, call_id))
    if row is None:
        raise ProblemsFound(f"there is no call {call_id!r}; `calls list` shows them")
    facts = _call(row, full_numbers=full_numbers)
    if as_json:
        print_json(
            {
                "call": facts,
                "recordings": [
                    {"recording_id": one.recording_id, "state": one.state} for one in made
                ],
                "ledger": [_entry(entry) for entry in entries],
            }
        )
        return
    print_facts(facts)
    click.echo()
    print_table(
        ("RECORDING", "STATE", "STOPPED BECAUSE"),
        ((one.recording_id, one.state, one.stop_reason or one.failure) for one in made),
        "no recordings",
    )
    click.echo()
    print_table(
        ("LEDGER", "AT", "FACT", "SAYS"),
        ((entry.seq, entry.at, entry.fact, dict(entry.public)) for entry in entries),
        "nothing in the ledger",
    )


@command.command("withdraw")
@click.argument("call_id")
@click.option("--reason", required=True, help="One line: who asked for it, and how.")
@click.option("--author", default=getpass.getuser, help="Who does this; by default your user name.")
@json_option
@pass_doors
def withdraw(doors: Doors, call_id: str, reason: str, author: str, as_json: bool) -> None:
    """Withdraw consent for a call that is being recorded: the daemon stops the recording."""
    asyncio.run(doors.control.withdraw(call_id, author, reason))
    if as_json:
        print_json({"call_id": call_id, "withdrawn": True})
    else:
        click.echo(f"consent withdrawn for call {call_id}")


def _find(connection: Connection, call_id: str) -> Found:
    return (
        calls.find(connection, call_id),
        recordings.of_call(connection, call_id),
        list(ledger.iterate(connection, call_id=call_id)),
    )


def _call(row: CallRow, *, full_numbers: bool = False) -> dict[str, object]:
    number = row.number
    return {
        "call_id": row.call_id,
        "direction": row.direction,
        "number": number if full_numbers or number is None else mask(number),
        "did": row.did,
        "endpoint": row.endpoint,
        "agent_endpoint": row.agent_endpoint,
        "context": row.context,
        "channel_id": row.channel_id,
        "agent_channel_id": row.agent_channel_id,
        "linkedid": row.linkedid,
        "media": row.media,
        "policy": row.policy,
        "policy_version": row.policy_version,
        "mode": row.mode,
        "phase": row.phase,
        "outcome": row.outcome,
        "reason": row.reason,
        "started_at": instant(row.started_at),
        "ended_at": None if row.ended_at is None else instant(row.ended_at),
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "fact": entry.fact,
        "recording_id": entry.recording_id,
        "public": dict(entry.public),
        "hash": entry.hash,
    }
