#!/usr/bin/env python3
"""Verify an exported ari-controller ledger. Needs nothing but Python 3.9 or newer.

Written from docs/ledger.md alone; shares no code with ari-controller, so that nobody has to trust
the program that wrote the ledger. Exit status: 0 everything holds, 1 something does not, 2 the file
cannot be read as an export at all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "ari-controller-ledger"
VERSION = 1
ENTRY_PREFIX = b"ari-controller ledger entry v1\n"
ROW_PREFIX = b"ari-controller ledger row v1\n"
ENTRY_KEYS = (
    "seq",
    "at",
    "fact",
    "call_id",
    "recording_id",
    "public",
    "commitment",
    "prev",
    "hash",
)
EMPTY = "0" * 64
HASH = re.compile(r"[0-9a-f]{64}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", re.ASCII)
LARGEST_INTEGER = 9007199254740991  # 2**53 - 1
SALT_BYTES = range(16, 33)

ALLOWS = ("consent_given", "recording_permitted")
FORBIDS = ("consent_refused", "consent_withdrawn")


class NotALedger(Exception):
    """The file is not an export of a ledger."""


class Wrong(Exception):
    """The ledger does not hold; the message says where and why."""


@dataclass
class Report:
    """What was found."""

    entries: int = 0
    head: str = EMPTY
    first_at: str = "-"
    last_at: str = "-"
    rows_checked: int = 0
    rows_absent: int = 0
    recordings: int = 0
    known_head_at: int | None = None
    allowed: set[str] = field(default_factory=set)
    forbidden: dict[str, str] = field(default_factory=dict)


def check(lines: Iterable[bytes], known_head: str | None = None) -> Report:
    """Check an export line by line; raise NotALedger or Wrong at the first fault."""
    numbered = enumerate(lines, start=1)
    _check_header(next(numbered, (1, b""))[1])
    report, ended = Report(), False
    for number, line in numbered:
        if ended:
            raise Wrong(f"line {number}: something follows the head")
        value = _parse(number, line)
        if set(value) == {"head"}:
            _check_head(number, value["head"], report)
            ended = True
        else:
            _check_entry(number, value, report)
            _check_consent(value, report)
            if report.head == known_head:
                report.known_head_at = report.entries
    if not ended:
        raise Wrong("the export is cut off: its last line is not the head")
    if known_head not in (None, EMPTY) and report.known_head_at is None:
        raise Wrong("the head known from elsewhere does not occur: cut off, or rewritten")
    return report


def _check_header(line: bytes) -> None:
    try:
        header = _parse(1, line)
    except Wrong as error:
        raise NotALedger(str(error)) from error
    if header.get("format") != FORMAT:
        raise NotALedger(f"line 1: not an export of a ledger: 'format' is not '{FORMAT}'")
    if header.get("version") != VERSION:
        raise NotALedger(f"line 1: this verifier reads version {VERSION} of the format only")


def _check_head(number: int, head: Any, report: Report) -> None:
    if head != {"seq": report.entries, "hash": report.head}:
        raise Wrong(f"line {number}: the head does not fit the {report.entries} entries before it")


def _check_entry(number: int, value: dict[str, Any], report: Report) -> None:
    where = f"line {number}, entry {report.entries + 1}"
    row = value.pop("row", None)
    if set(value) != set(ENTRY_KEYS):
        raise Wrong(f"{where}: an entry has exactly the keys {', '.join(ENTRY_KEYS)}")
    _check_types(where, value)
    if value["seq"] != report.entries + 1:
        raise Wrong(f"{where}: missing; entry {value['seq']} stands in its place")
    if value["prev"] != report.head:
        raise Wrong(f"{where}: does not follow from the entry before it")
    hashed = {key: value[key] for key in ENTRY_KEYS if key != "hash"}
    if hashlib.sha256(ENTRY_PREFIX + _canonical(hashed)).hexdigest() != value["hash"]:
        raise Wrong(f"{where}: was changed: its hash does not fit its content")
    _check_row(where, row, value["commitment"], report)
    report.entries, report.head, report.last_at = value["seq"], value["hash"], value["at"]
    if report.entries == 1:
        report.first_at = value["at"]


def _check_types(where: str, value: dict[str, Any]) -> None:
    commitment = value["commitment"]
    good = (
        type(value["seq"]) is int
        and _matches(INSTANT, value["at"])
        and isinstance(value["fact"], str)
        and isinstance(value["call_id"], (str, type(None)))
        and isinstance(value["recording_id"], (str, type(None)))
        and isinstance(value["public"], dict)
        and (commitment is None or _matches(HASH, commitment))
        and _matches(HASH, value["prev"])
        and _matches(HASH, value["hash"])
    )
    if not good:
        raise Wrong(f"{where}: a value is not of the kind that the format says")


def _check_row(where: str, row: Any, commitment: str | None, report: Report) -> None:
    """Check a personal row against its commitment; absent is erased, or not exported."""
    if row is None:
        report.rows_absent += commitment is not None
        return
    try:
        salt, personal = bytes.fromhex(row["salt"]), row["personal"]
        good = set(row) == {"salt", "personal"} and isinstance(personal, dict)
    except (KeyError, TypeError, ValueError):
        good = False
    if not good or len(salt) not in SALT_BYTES:
        raise Wrong(f"{where}: its row is not a salt in hex and a personal part")
    if hashlib.sha256(ROW_PREFIX + salt + _canonical(personal)).hexdigest() != commitment:
        raise Wrong(f"{where}: its row is not the one that it commits to")
    report.rows_checked += 1


def _check_consent(value: dict[str, Any], report: Report) -> None:
    """Rules 1 and 2: a recording starts behind what allows it, and never behind a refusal."""
    seq, fact, call = value["seq"], value["fact"], value["call_id"]
    if fact in ALLOWS:
        report.allowed.add(call)
    elif fact in FORBIDS:
        report.forbidden[call] = f"{fact} in entry {seq}"
    elif fact == "recording_started":
        report.recordings += 1
        if call is None or call not in report.allowed:
            raise Wrong(f"entry {seq}: a recording of call {call} started without consent")
        if call in report.forbidden:
            raise Wrong(
                f"entry {seq}: a recording of call {call} started after {report.forbidden[call]}"
            )


def _parse(number: int, line: bytes) -> dict[str, Any]:
    def no_float(text: str) -> NoReturn:
        raise ValueError(f"{text} is no integer")

    def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    def small(text: str) -> int:
        if len(text) > len(str(-LARGEST_INTEGER)) or abs(int(text)) > LARGEST_INTEGER:
            raise ValueError("an integer is too large")
        return int(text)

    try:
        value = json.loads(
            line.decode("utf-8"),
            parse_float=no_float,
            parse_constant=no_float,
            parse_int=small,
            object_pairs_hook=no_doubles,
        )
    except (ValueError, RecursionError) as error:
        raise Wrong(f"line {number}: not JSON as the format wants it: {error}") from error
    if not isinstance(value, dict):
        raise Wrong(f"line {number}: not a JSON object")
    return value


def _canonical(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Wrong("a text in the ledger is not Unicode") from error


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def main(arguments: list[str] | None = None) -> int:
    """Verify the file named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Verify an exported ari-controller ledger.")
    parser.add_argument("export", help="the file, or - for standard input")
    known = "hash of a head taken earlier and kept elsewhere: it must occur"
    parser.add_argument("--head", metavar="HASH", type=_hash, help=known)
    options = parser.parse_args(arguments)
    try:
        report = _run(options.export, options.head)
    except (OSError, NotALedger) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    except Wrong as error:
        print(f"DOES NOT HOLD: {error}")
        return 1
    _print_report(report, options.head)
    return 0


def _hash(text: str) -> str:
    if not _matches(HASH, text):
        raise argparse.ArgumentTypeError("not a SHA-256 in lower-case hex")
    return text


def _run(path: str, known_head: str | None) -> Report:
    if path == "-":
        return check(sys.stdin.buffer, known_head)
    with Path(path).open("rb") as stream:
        return check(stream, known_head)


def _print_report(report: Report, known_head: str | None) -> None:
    print(f"holds: {report.entries} entries, {report.first_at} to {report.last_at}")
    print(f"head: {report.head}")
    print(f"recordings started: {report.recordings}, each behind what allows it")
    print(f"personal rows: {report.rows_checked} checked, {report.rows_absent} erased or left out")
    if known_head is None:
        print("note: entries cut off at the end are found only with --head, a hash from elsewhere")
    else:
        print(f"head known from elsewhere: is that of entry {report.known_head_at or 0}")


if __name__ == "__main__":
    sys.exit(main())
