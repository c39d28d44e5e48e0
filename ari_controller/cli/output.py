"""Tables for people, JSON for programs.

On a terminal tables are drawn by rich (which heeds NO_COLOR); into a pipe or a file they are plain
columns, never cut.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NOTHING = "-"


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print rows under column names; `empty` when there are none."""
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty)
    elif sys.stdout.isatty():
        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        Console().print(table)
    else:
        _print_plain([list(columns), *cells])


def print_facts(facts: Mapping[str, object]) -> None:
    """Print one thing as lines of name and value."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {cell(value)}")


def cell(value: object) -> str:
    """Return a value as one line of text that cannot steer a terminal."""
    match value:
        case None | "" | () | []:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case dict():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def local_time(unix_seconds: float | None, zone: ZoneInfo) -> str | None:
    """Return `2026-11-23 10:15:00` in a zone."""
    if unix_seconds is None:
        return None
    return datetime.fromtimestamp(unix_seconds, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
