import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ari_controller.cli import exits
from tests.unit.cli.conftest import Run
from tests.unit.cli.site import SHIPPED, Site
from tests.unit.store.samples import NUMBER

VERIFIER = SHIPPED.parents[1] / "verifier" / "verify_ledger.py"


def test_an_intact_ledger_is_proven_also_against_a_head_noted_elsewhere(run: Run) -> None:
    head = run("ledger", "head", "--json").json
    proven = run("ledger", "verify", "--head", head["hash"], "--json")
    assert proven.code == exits.OK
    assert proven.json == {"intact": True, "entries": head["seq"], "head": head["hash"]}
    assert head["hash"] in run("ledger", "verify").out
    assert head["hash"] in run("ledger", "head").out


def test_a_changed_entry_is_found_and_named(run: Run, site: Site) -> None:
    site.spoil("UPDATE ledger SET fact = 'consent_given' WHERE fact = 'consent_refused'")
    ran = run("ledger", "verify", "--json")
    assert ran.code == exits.FOUND_PROBLEMS
    assert (ran.json["intact"], ran.json["seq"]) == (False, 3)
    assert "ledger entry 3" in run("ledger", "verify").err


def test_entries_cut_off_at_the_end_are_found_by_a_head_noted_elsewhere(
    run: Run, site: Site
) -> None:
    head = run("ledger", "head", "--json").json["hash"]
    site.spoil("DELETE FROM ledger_rows WHERE seq = 8", "DELETE FROM ledger WHERE seq = 8")
    assert run("ledger", "verify").code == exits.OK
    assert run("ledger", "verify", "--head", head).code == exits.FOUND_PROBLEMS


@pytest.mark.parametrize("rows", [False, True])
def test_an_export_convinces_the_stand_alone_verifier(run: Run, tmp_path: Path, rows: bool) -> None:
    file = tmp_path / "ledger.jsonl"
    options = ["--with-rows"] if rows else []
    ran = run("ledger", "export", "-o", str(file), "--json", *options)
    assert ran.json == {"file": str(file), "entries": 8, "with_rows": rows}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (NUMBER in file.read_text()) is rows
    command = [sys.executable, str(VERIFIER), str(file)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_an_export_goes_to_standard_output(run: Run) -> None:
    lines = run("ledger", "export").out.splitlines()
    assert json.loads(lines[0])["format"] == "ari-controller-ledger"
    assert json.loads(lines[-1])["head"]["seq"] == 8


def test_an_export_replaces_no_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    assert run("ledger", "export", "-o", str(file)).code == exits.UNAVAILABLE
    assert file.read_text() == "precious"


def test_half_an_export_does_not_stay(run: Run, site: Site, tmp_path: Path) -> None:
    site.spoil("""UPDATE ledger SET public = '{"a" : 1}' WHERE seq = 4""")
    file = tmp_path / "ledger.jsonl"
    assert run("ledger", "export", "-o", str(file)).code == exits.FOUND_PROBLEMS
    assert not file.exists()
