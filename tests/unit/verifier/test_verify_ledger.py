import importlib.util
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from ari_controller.core.ledger import Broken, Entry, Fact, Statement, canonical_json, verify
from ari_controller.store import ledger
from ari_controller.store.migrations import migrate
from tests.unit.core.ledgers import AT, SALT, chain, chains, statements, tampered

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "verifier" / "verify_ledger.py"
# Facts that say nothing of consent, so that only the chain is at stake.
INDIFFERENT = [Fact.CALL_ENTERED, Fact.NOTICE_PLAYED, Fact.CALL_ENDED]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_ledger", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verifier = load()


def line(value: dict[str, object]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def exported(entries: Sequence[Entry]) -> list[bytes]:
    keys = verifier.ENTRY_KEYS
    head = {"seq": len(entries), "hash": entries[-1].hash if entries else "0" * 64}
    return [
        line({"format": "ari-controller-ledger", "version": 1, "rows": False}),
        *(line({key: getattr(entry, key) for key in keys}) for entry in entries),
        line({"head": head}),
    ]


def say(fact: Fact, call_id: str | None = "c1") -> Statement:
    return Statement(fact, call_id, "r1", {}, {"number": "+40721234567"})


def holds(entries: Sequence[Entry], known_head: str | None = None) -> bool:
    try:
        verifier.check(exported(entries), known_head)
    except verifier.Wrong:
        return False
    return True


def holds_for_the_core(entries: Sequence[Entry], known_head: str | None = None) -> bool:
    try:
        verify(entries, known_head)
    except Broken:
        return False
    return True


@st.composite
def indifferent_chains(draw: st.DrawFn) -> list[Entry]:
    said = draw(st.lists(statements, min_size=3, max_size=6))
    facts = [draw(st.sampled_from(INDIFFERENT)) for _ in said]
    return chain(
        [
            Statement(fact, s.call_id, s.recording_id, s.public, s.personal)
            for fact, s in zip(facts, said, strict=True)
        ]
    )


@given(indifferent_chains())
def test_it_agrees_with_the_core_on_what_holds(entries: list[Entry]) -> None:
    assert holds_for_the_core(entries)
    assert holds(entries)
    assert holds(entries, entries[0].hash)


@given(chains.flatmap(tampered))
def test_it_agrees_with_the_core_on_what_does_not(entries: list[Entry]) -> None:
    assert not holds_for_the_core(entries)
    assert not holds(entries)


@given(indifferent_chains())
def test_it_finds_a_cut_off_end_by_a_head_known_from_elsewhere(entries: list[Entry]) -> None:
    assert holds(entries[:-1])
    assert not holds(entries[:-1], entries[-1].hash)


@pytest.mark.parametrize(
    ("facts", "good"),
    [
        ([Fact.CONSENT_GIVEN, Fact.RECORDING_STARTED], True),
        ([Fact.RECORDING_PERMITTED, Fact.RECORDING_STARTED], True),
        ([Fact.CONSENT_GIVEN, Fact.RECORDING_STARTED, Fact.CONSENT_WITHDRAWN], True),
        ([Fact.RECORDING_STARTED], False),
        ([Fact.RECORDING_STARTED, Fact.CONSENT_GIVEN], False),
        ([Fact.CONSENT_GIVEN, Fact.CONSENT_REFUSED, Fact.RECORDING_STARTED], False),
        ([Fact.CONSENT_GIVEN, Fact.CONSENT_WITHDRAWN, Fact.RECORDING_STARTED], False),
        ([Fact.CONSENT_REFUSED, Fact.CONSENT_GIVEN, Fact.RECORDING_STARTED], False),
    ],
)
def test_it_finds_a_recording_without_consent(facts: list[Fact], good: bool) -> None:
    assert holds(chain([say(fact) for fact in facts])) == good


def test_consent_of_one_call_is_none_for_another() -> None:
    assert not holds(chain([say(Fact.CONSENT_GIVEN, "c2"), say(Fact.RECORDING_STARTED)]))
    assert not holds(chain([say(Fact.CONSENT_GIVEN, None), say(Fact.RECORDING_STARTED, None)]))


def export_of(statements: Sequence[Statement], with_rows: bool) -> list[bytes]:
    stream = io.StringIO()
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        migrate(connection)
        for statement in statements:
            ledger.append(connection, statement, AT, SALT)
        ledger.export(connection, stream, with_rows=with_rows)
    return [text.encode() + b"\n" for text in stream.getvalue().splitlines()]


def test_the_stores_own_export_holds_with_rows_and_without() -> None:
    said = [say(Fact.CALL_ENTERED), say(Fact.CONSENT_GIVEN), say(Fact.RECORDING_STARTED)]
    with_rows = verifier.check(export_of(said, with_rows=True))
    assert (with_rows.entries, with_rows.rows_checked, with_rows.rows_absent) == (3, 3, 0)
    without = verifier.check(export_of(said, with_rows=False))
    assert (without.entries, without.rows_checked, without.rows_absent) == (3, 0, 3)
    assert verifier.check(export_of([], with_rows=True)).entries == 0


def replaced(lines: list[bytes], at: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[at]
    return [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"+40721234567", b"+40721234568"),
        (b'"salt":"00', b'"salt":"01'),
        (b'"salt":"00', b'"salt":"zz'),
        (b'"personal":{', b'"more":1,"personal":{'),
        (b'"fact":"call_entered"', b'"fact":"call_entered","fact":"call_ended"'),
        (b'"public":{}', b'"public":{"a":1.0}'),
        (b'"public":{}', b'"public":{"a":NaN}'),
        (b'"public":{}', b'"public":{"a":9007199254740992}'),
        (b'"public":{}', b'"public":{"a":"\\ud800"}'),
        (b'"public":{}', b'"public":' + b"[" * 100_000),
        (b'"seq":1', b'"seq":true'),
        (b'"seq":1', b'"seq":1,"note":"x"'),
        (b'"recording_id":"r1"', b'"recording_id":7'),
        (b"call", b"\xff"),
    ],
)
def test_it_finds_what_was_written_into_an_export(old: bytes, new: bytes) -> None:
    lines = export_of([say(Fact.CALL_ENTERED)], with_rows=True)
    with pytest.raises(verifier.Wrong, match=r"line 2|not Unicode"):
        verifier.check(replaced(lines, 1, old, new))


def test_it_wants_the_head_at_the_end_and_nothing_behind_it() -> None:
    lines = export_of([say(Fact.CALL_ENTERED), say(Fact.CALL_ENDED)], with_rows=False)
    faults: list[tuple[list[bytes], str]] = [
        (lines[:-1], "cut off"),
        ([*lines[:-2], lines[-1]], "does not fit"),
        ([*lines, lines[1]], "follows the head"),
        ([*lines[:-1], lines[-1].replace(b'"seq":2', b'"seq":3')], "does not fit"),
    ]
    for changed, words in faults:
        with pytest.raises(verifier.Wrong, match=words):
            verifier.check(changed)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"not json\n", b"[]\n", b'{"format":"other"}\n', b"\xff\xfe"]
)
def test_what_is_no_export_is_told_apart_from_what_does_not_hold(content: bytes) -> None:
    with pytest.raises(verifier.NotALedger):
        verifier.check(io.BytesIO(content))


def run(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    # -I: no site, no environment, no current directory: nothing but the standard library.
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    return subprocess.run(  # noqa: S603 - our own interpreter and script
        command, input=stdin, capture_output=True, check=False
    )


def test_its_exit_status_says_what_it_found(tmp_path: Path) -> None:
    entries = chain([say(Fact.CALL_ENTERED), say(Fact.CONSENT_GIVEN), say(Fact.RECORDING_STARTED)])
    good, bad = exported(entries), exported(entries[1:])
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(good))
    whole = run(str(path), "--head", entries[-1].hash)
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert whole.stdout.startswith(b"holds: 3 entries")
    assert run("-", stdin=b"".join(good)).returncode == 0
    broken = run("-", stdin=b"".join(bad))
    assert broken.returncode == 1
    assert broken.stdout.startswith(b"DOES NOT HOLD: line 2")
    assert run(str(path), "--head", "f" * 64).returncode == 1
    for arguments in ([str(tmp_path / "absent")], [str(path), "--head", "short"], []):
        failed = run(*arguments)
        assert failed.returncode == 2
        assert b"Traceback" not in failed.stderr


def test_the_documented_test_vector_is_what_we_write() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text()
    lines = re.search(r"```jsonl\n(.*?)```", page, re.DOTALL)
    hashed = re.search(r"```json\n(.*?)\n```", page, re.DOTALL)
    assert lines is not None
    assert hashed is not None
    export = lines[1].encode().splitlines(keepends=True)
    assert verifier.check(export).rows_checked == 1
    values: list[dict[str, Any]] = [json.loads(text) for text in export[1:-1]]
    said = [
        Statement(
            Fact(value["fact"]),
            value["call_id"],
            value["recording_id"],
            value["public"],
            value.get("row", {}).get("personal", {}),
        )
        for value in values
    ]
    assert [entry["hash"] for entry in values] == [
        entry.hash for entry in rewritten(said, [value["at"] for value in values])
    ]
    content = {key: value for key, value in values[1].items() if key != "hash"}
    assert canonical_json(content).decode() == hashed[1]


def rewritten(statements: Sequence[Statement], times: Sequence[str]) -> list[Entry]:
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        migrate(connection)
        return [
            ledger.append(connection, statement, at, SALT)
            for statement, at in zip(statements, times, strict=True)
        ]
