"""`ledger`: prove the chain, hand it out, name its head."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
from sqlalchemy import Connection

from ari_controller.cli.doors import Doors, json_option, pass_doors
from ari_controller.cli.output import print_facts, print_json
from ari_controller.core.ledger import GENESIS, Broken, Entry
from ari_controller.store import ledger


@click.group("ledger")
def command() -> None:
    """Prove the ledger, export it, name its head."""


@command.command("verify")
@click.option("--head", "known_head", metavar="HASH", help="A head noted elsewhere.")
@json_option
@pass_doors
def verify(doors: Doors, known_head: str | None, as_json: bool) -> None:
    """Prove that no entry was changed, removed or put in.

    Entries cut off at the end are found only by a head that was noted elsewhere: see `ledger head`.
    """
    try:
        count, head = doors.store.read(lambda connection: _verify(connection, known_head))
    except Broken as broken:
        if as_json:
            print_json({"intact": False, "seq": broken.seq, "problem": broken.why})
        raise
    if as_json:
        print_json({"intact": True, "entries": count, "head": head})
    else:
        click.echo(f"intact: {count} entries, head {head}")


@command.command("head")
@json_option
@pass_doors
def show_head(doors: Doors, as_json: bool) -> None:
    """Show the newest entry's hash: note it where this machine's root cannot change it."""
    entry = doors.store.read(ledger.head)
    facts: dict[str, object] = {
        "seq": entry.seq if entry else 0,
        "at": entry.at if entry else None,
        "hash": _hash(entry),
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@command.command("export")
@click.option("--with-rows", is_flag=True, help="Salts and personal parts too: personal data.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file (mode 0600); standard output without it.",
)
@json_option
@pass_doors
def export(doors: Doors, with_rows: bool, output: Path | None, as_json: bool) -> None:
    """Write the ledger as JSON Lines, for the stand-alone verifier."""
    store = doors.store
    if output is None:
        store.read(lambda one: ledger.export(one, sys.stdout, with_rows=with_rows))
        return
    with _new_file(output) as stream:
        count = store.read(lambda one: ledger.export(one, stream, with_rows=with_rows))
    if as_json:
        print_json({"file": str(output), "entries": count, "with_rows": with_rows})
    else:
        click.echo(f"{output}: {count} entries")


def _verify(connection: Connection, known_head: str | None) -> tuple[int, str]:
    return ledger.verify_all(connection, known_head), _hash(ledger.head(connection))


def _hash(entry: Entry | None) -> str:
    return entry.hash if entry else GENESIS


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """Open a file that nobody else may read; half of one does not stay."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        try:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        except BaseException:
            path.unlink()
            raise
